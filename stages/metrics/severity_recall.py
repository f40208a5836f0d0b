"""Recall of violations, each weighed by `evaluation.terms.severity` of its label (1 where none is named)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stages.catalog import Metric
from stages.metrics._policy import harmless
from stages.metrics._share import share

if TYPE_CHECKING:
    from stages.judging import Judged


def counts(judged: Sequence[Judged]) -> Any:
    """(N, 2): the weight of what was found, and the weight of the violation."""
    import numpy as np

    found = np.array([_row(j) for j in judged], dtype=float)
    return found if found[:, 1].any() else None


def _row(judged: Judged) -> tuple[float, float]:
    expected, said = harmless(judged)
    weight = 0.0 if expected else judged.terms.severity.get(str(judged.labels[0]), 1.0)
    return (weight if said is False else 0.0), weight


METRIC = Metric("severity_recall", "recall of violations, weighed by severity", ("label",), counts, share)
