"""Share of rows whose delivered answer fits the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stages.catalog import Metric
from stages.metrics.exact_match import value

if TYPE_CHECKING:  # the compiler looks at every metric, and needs no more than its name and range
    from stages.judging import Judged


def counts(judged: Sequence[Judged]) -> Any:
    """(N, 2): fits or not, and one a row."""
    import numpy as np

    return np.array([(j.valid, 1) for j in judged], dtype=float)


METRIC = Metric("schema_validity", "share of answers that fit the contract", ("json", "label"), counts, value)
