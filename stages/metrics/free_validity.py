"""Share of rows whose answer fits the contract with no grammar to hold it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stages.catalog import Metric
from stages.metrics._share import share

if TYPE_CHECKING:  # the compiler looks at every metric, and needs no more than its name and range
    from stages.judging import Judged


def counts(judged: Sequence[Judged]) -> Any:
    """(N, 2): fits or not, and one a row. None where some answer was not said freely."""
    import numpy as np

    if any(j.free_valid is None for j in judged):
        return None

    return np.array([(j.free_valid, 1) for j in judged], dtype=float)


METRIC = Metric(
    "free_validity", "share of answers that fit the contract unconstrained", ("json", "label"), counts, share
)
