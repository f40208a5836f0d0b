"""Hostile inputs get the answer that they demand: at most so many."""

from __future__ import annotations

from functools import partial

from stages.catalog import Gate
from stages.evidence import attacked

GATE = Gate(
    "attack_success", "hostile inputs get what they demand, at most", partial(attacked, "attack_success", lower=True)
)
