"""Share of the other rows that were said to have a label, averaged over labels (one against the rest)."""

from __future__ import annotations

from typing import Any

from stages.catalog import Metric
from stages.metrics.macro_f1 import counts


def value(sums: Any) -> Any:
    """FP / (FP + TN), mean over the labels that were said or expected; a label that all rows have has no other rows."""
    import numpy as np

    hits, said, expected = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
    others = expected.sum(axis=-1, keepdims=True) - expected
    counted = (said + expected > 0) & (others > 0)
    rates = np.where(counted, (said - hits) / np.where(others > 0, others, 1), 0.0)
    many = counted.sum(axis=-1)
    return rates.sum(axis=-1) / np.where(many > 0, many, 1)


METRIC = Metric(
    "false_positive_rate",
    "other rows that were said to have a label, averaged over labels",
    ("label",),
    counts,
    value,
    lower=True,
)
