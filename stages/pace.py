"""How steady a speed is: the interval around the rows a second that some answers came at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import sqrt
from statistics import fmean, stdev

PARTS = 8
_T = 2.365  # Student's t of 95%, two-sided, with PARTS - 1 degrees of freedom


def told(speed: Mapping[str, float]) -> tuple[float, float] | None:
    """The interval that a stage wrote into its speed.json."""
    low, high = (speed.get(f"rows_per_second_{end}") for end in ("low", "high"))
    return None if low is None or high is None else (low, high)


def interval(moments: Sequence[float]) -> tuple[float, float] | None:
    """Rows a second, low and high, at 95%; None of fewer than two rows a part.

    moments: seconds from the beginning to each answer, in the order in which they came. The rows are cut into eighths,
    and what a row took in each is taken for a sample of what a row takes: so a machine that is busy for a while shows.
    An engine that finishes many rows at once swings by itself, and its interval is the wider.
    """
    rows = len(moments)
    if rows < 2 * PARTS:
        return None
    places = [round(rows * part / PARTS) for part in range(PARTS + 1)]
    times = (0.0, *moments)
    took = [(times[end] - times[begin]) / (end - begin) for begin, end in pairwise(places)]
    middle, half = fmean(took), _T * stdev(took) / sqrt(PARTS)
    least = max(middle - half, min(took), 1e-9)  # no quicker than the quickest part
    return 1 / (middle + half), 1 / least
