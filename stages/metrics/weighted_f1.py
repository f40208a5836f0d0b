"""F1 of each label, weighed by how often it is expected; scikit-learn's f1_score(average="weighted")."""

from __future__ import annotations

from typing import Any

from stages.catalog import Metric
from stages.metrics.macro_f1 import counts


def value(sums: Any) -> Any:
    """Mean over the labels that were expected in this sample, by their rows."""
    import numpy as np

    hits, said, expected = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
    both = said + expected
    f1 = np.where(both > 0, 2 * hits / np.where(both > 0, both, 1), 0.0)
    return (f1 * expected).sum(axis=-1) / expected.sum(axis=-1)


METRIC = Metric("weighted_f1", "F1 of each label, weighed by its rows", ("label",), counts, value)
