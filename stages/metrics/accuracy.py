"""Share of rows with the right label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stages.catalog import Metric
from stages.metrics import exact_match

if TYPE_CHECKING:  # the compiler looks at every metric, and needs no more than its name and range
    from stages.judging import Judged


def counts(judged: Sequence[Judged]) -> Any:
    """(N, 2): right, and one for every row."""
    import numpy as np

    return np.array([[expected == said, 1] for expected, said in (j.labels for j in judged)], dtype=float)


METRIC = Metric("accuracy", "share of rows with the right label", ("label",), counts, exact_match.value)
