"""From answers and rows to the keys of task.yaml: a module for each part, in the order that they need one another."""

from __future__ import annotations

from tunec.coaching.case import Case
from tunec.coaching.deciding import contract, criteria, data, identity, inputs, left, place, recipe


def decide(case: Case) -> Case:
    """Fill in every choice, and name what contradicts itself."""
    for part in (identity, contract, inputs, data, place, recipe, criteria, left):
        part.decide(case)
    return case
