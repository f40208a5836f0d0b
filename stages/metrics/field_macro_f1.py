"""Strict F1 over the values of each field, averaged over fields: a rare field weighs as much as a frequent one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stages.catalog import Metric
from stages.metrics.macro_f1 import value
from stages.metrics.slot_f1 import slots

if TYPE_CHECKING:
    from stages.judging import Judged


def counts(judged: Sequence[Judged]) -> Any:
    """(N, 3 * F): for each field that occurs, values that both sides have, said and expected."""
    import numpy as np

    sides = [(slots(j.gold), slots(j.said)) for j in judged]
    names = sorted({name for both in sides for side in both for name, _ in side})
    if not names:
        return None
    index = {name: place for place, name in enumerate(names)}
    found = np.zeros((len(judged), 3, len(names)))
    for row, (gold, said) in enumerate(sides):
        for place, side in enumerate((gold & said, said, gold)):
            for (name, _), many in side.items():
                found[row, place, index[name]] += many
    return found.reshape(len(judged), -1)


METRIC = Metric("field_macro_f1", "strict F1 of each field, averaged over fields", ("json",), counts, value)
