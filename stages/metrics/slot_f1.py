"""Strict F1 over (field, value) pairs, micro-averaged over all rows: the usual figure of slot filling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stages.catalog import Metric

if TYPE_CHECKING:  # the compiler looks at every metric, and needs no more than its name and range
    from stages.judging import Judged


def counts(judged: Sequence[Judged]) -> Any:
    """(N, 3): pairs that both sides have, pairs said in all, pairs expected in all."""
    import numpy as np

    return np.array([_row(slots(j.gold), slots(j.said)) for j in judged], dtype=float)


def value(sums: Any) -> Any:
    """2 * hits / (said + expected); 1 when neither side has any pair."""
    import numpy as np

    both = sums[..., 1] + sums[..., 2]
    return np.where(both > 0, 2 * sums[..., 0] / np.where(both > 0, both, 1), 1.0)


def slots(output: Any) -> Counter[tuple[str, str]]:
    """{"time": "7pm", "people": ["2", "3"]} -> one pair a value; anything but an object has none."""
    if not isinstance(output, dict):
        return Counter()
    from stages.rows import dumps

    many = ((name, item) for name, value in output.items() for item in (value if isinstance(value, list) else [value]))
    return Counter((name, item if isinstance(item, str) else dumps(item)) for name, item in many)


def _row(gold: Counter[tuple[str, str]], said: Counter[tuple[str, str]]) -> tuple[int, int, int]:
    return (gold & said).total(), said.total(), gold.total()


METRIC = Metric("slot_f1", "strict F1 over (field, value) pairs", ("json",), counts, value)
