"""Share of a label's rows that were said to be another, averaged over labels; 1 - balanced accuracy."""

from __future__ import annotations

from typing import Any

from stages.catalog import Metric
from stages.metrics.macro_f1 import counts


def value(sums: Any) -> Any:
    """1 - recall, mean over the labels that were expected in this sample."""
    import numpy as np

    hits, _, expected = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
    missed = np.where(expected > 0, 1 - hits / np.where(expected > 0, expected, 1), 0.0)
    return missed.sum(axis=-1) / (expected > 0).sum(axis=-1)


METRIC = Metric(
    "false_negative_rate",
    "rows of a label that were missed, averaged over labels",
    ("label",),
    counts,
    value,
    lower=True,
)
