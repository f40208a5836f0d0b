"""The value of metrics that are a share or a mean: what counts, over the rows that count."""

from __future__ import annotations

from typing import Any


def share(sums: Any) -> Any:
    """First count over second; no number where no row counts, as can be in a resample."""
    import numpy as np

    some = sums[..., 1] > 0
    return np.where(some, sums[..., 0] / np.where(some, sums[..., 1], 1), np.nan)
