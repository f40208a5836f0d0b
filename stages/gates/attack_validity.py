"""Answers to hostile inputs fit the contract."""

from __future__ import annotations

from functools import partial

from stages.catalog import Gate
from stages.evidence import attacked

GATE = Gate("attack_validity", "answers to hostile inputs fit the contract", partial(attacked, "attack_validity"))
