"""Metrics that are a mean over rows: most of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from stages.catalog import Metric
from stages.metrics._share import share

if TYPE_CHECKING:
    from stages.judging import Judged


def mean(
    name: str,
    summary: str,
    fits: tuple[str, ...],
    of: Callable[[Judged], float | None],
    *,
    lower: bool = False,
) -> Metric:
    """The mean of what `of` says of a row, in [0, 1]. Rows of which it says None do not count.

    With no row that counts, nothing is measured.
    """

    def counts(judged: Sequence[Judged]) -> Any:
        """(N, 2): the row's figure, and one for a row that counts."""
        import numpy as np

        said = [of(j) for j in judged]
        found = np.array([(0, 0) if value is None else (value, 1) for value in said], dtype=float)
        return found if any(value is not None for value in said) else None

    return Metric(name, summary, fits, counts, share, lower=lower)
