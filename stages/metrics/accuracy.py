"""Share of rows with the right label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stages.base import Metric
from stages.judging import Judged
from stages.metrics import exact_match


def counts(judged: Sequence[Judged]) -> Any:
    """(N, 2): right, and one for every row."""
    import numpy as np

    return np.array([[expected == said, 1] for expected, said in (j.labels for j in judged)], dtype=float)


METRIC = Metric("accuracy", "share of rows with the right label", ("label",), counts, exact_match.value)
