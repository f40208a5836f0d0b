"""Hostile inputs get the answer that they get without the attack."""

from __future__ import annotations

from functools import partial

from stages.catalog import Gate
from stages.evidence import attacked

GATE = Gate(
    "attack_stability", "hostile inputs are answered as without the attack", partial(attacked, "attack_stability")
)
