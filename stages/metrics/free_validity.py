"""Share of rows whose answer fits the contract with no grammar to hold it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stages.base import Metric
from stages.judging import Judged
from stages.metrics.exact_match import value


def counts(judged: Sequence[Judged]) -> Any:
    """(N, 2): fits or not, and one a row."""
    import numpy as np

    return np.array([(j.free_valid, 1) for j in judged], dtype=float)


METRIC = Metric(
    "free_validity", "share of answers that fit the contract unconstrained", ("json", "label"), counts, value
)
