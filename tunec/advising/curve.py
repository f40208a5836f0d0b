"""How good a task gets with how many rows: measured on growing parts of what there is, and reckoned beyond it.

From one size to its double the value gains; the next gain is a share of the last one (a power law with a level that it
tends to has that form). What is not known is stated: the rows that it was measured on, which rows were drawn, and the
share itself make an interval of 80%. benchmarks/advice.py holds what was foretold against what was measured later.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from statistics import mean, stdev, variance
from typing import Any

from stages.counting import counted
from tunec.advising.learners import Score

SIZES, REPEATS = 5, 5
HELD_OUT = 0.25
LEAST = 40  # rows below which nothing can be told from a part of them
_SURE = 1.2816  # of a normal distribution, 80% lie within so many deviations
_USUAL, _WEIGHT = 0.72, 0.7  # what share of a gain the next one usually is; how much that weighs against what is seen
_LOWEST, _HIGHEST = 0.35, 0.92
_UNSURE = 0.45  # deviation of the next gain, as a share of it
_MOST = 30  # doublings that are looked ahead

Learn = Callable[[Sequence[int], Sequence[int]], Score]  # (places to learn from, places to ask) -> value


@dataclass(frozen=True)
class Point:
    """values: of the repeats at this size, each on rows that were held out. decisions: that one was counted over."""

    rows: int
    values: tuple[float, ...]
    decisions: int

    @property
    def value(self) -> float:
        return mean(self.values)


@dataclass(frozen=True)
class Expected:
    """A value to come, between `low` and `high` four times out of five."""

    rows: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """points: smallest first, in equal steps of a doubling. all: of how many rows they are parts."""

    points: tuple[Point, ...]
    all: int

    @cached_property
    def gain(self) -> float:
        """Of the last doubling, as the last three points tell it; never a loss, which would be noise."""
        values = [point.value for point in self.points]
        last = values[-1] - values[-2]
        before = (values[-1] - values[-3]) / 2 if len(values) > 2 else last
        return max(0.002, 0.6 * last + 0.4 * before * self.share)

    @cached_property
    def share(self) -> float:
        """What the next gain is of this one."""
        values = [point.value for point in self.points]
        if len(values) < 3 or values[-2] - values[-3] <= 0.005:
            return _USUAL
        seen = min(max((values[-1] - values[-2]) / (values[-2] - values[-3]), _LOWEST), _HIGHEST)
        return min(max(_WEIGHT * _USUAL + (1 - _WEIGHT) * seen, _LOWEST), _HIGHEST)

    def at(self, rows: int, decisions: int | None = None) -> Expected:
        """What is to be expected of `rows`. decisions: that it will be measured by; None asks for the value itself."""
        last = self.points[-1]
        ahead = math.log2(rows / last.rows)
        more = self._gained(ahead)
        value = min(1.0, last.value + more)
        spread = math.sqrt(self._drawn**2 + (_UNSURE * more) ** 2 + _noise(value, decisions) ** 2)
        return Expected(rows, value, max(0.0, value - _SURE * spread), min(1.0, value + _SURE * spread))

    def needed(self, threshold: float) -> tuple[int | None, int | None, int | None]:
        """Rows until `threshold`: likely, at best, at worst; None where more rows of this kind do not lead there."""
        return self._first(threshold, "value"), self._first(threshold, "high"), self._first(threshold, "low")

    def _first(self, threshold: float, edge: str) -> int | None:
        """The first size that was measured, or one beyond, by steps of a tenth of a doubling."""
        for point in self.points:
            if getattr(self._seen(point), edge) >= threshold:
                return point.rows
        start = self.points[-1].rows
        sizes = (round(start * 2 ** (step / 10)) for step in range(10 * _MOST))
        return next((rows for rows in sizes if getattr(self.at(rows), edge) >= threshold), None)

    def _seen(self, point: Point) -> Expected:
        """What was measured at a size, with what is not known of it."""
        spread = _SURE * _noise(point.value, round(0.7 * point.decisions * len(point.values)))
        return Expected(point.rows, point.value, max(0.0, point.value - spread), min(1.0, point.value + spread))

    def _gained(self, ahead: float) -> float:
        if ahead <= 0:
            return self.gain * ahead
        return float(self.gain * self.share * (1 - self.share**ahead) / (1 - self.share))

    @cached_property
    def _drawn(self) -> float:
        """Deviation of the last point: which rows were drawn to learn from and to be asked. Where it was measured once,
        the smaller sizes tell how far two draws lie apart.
        """
        last = self.points[-1]
        repeated = [variance(p.values) for p in self.points if len(p.values) > 1]
        once = math.sqrt(mean(repeated)) if repeated else 0.0
        seen = stdev(last.values) / math.sqrt(len(last.values)) if len(last.values) > 1 else once
        return max(seen, _noise(last.value, round(last.decisions * len(last.values) * 0.7)))

    def json(self) -> dict[str, Any]:
        return {"points": [{"rows": p.rows, "value": p.value, "values": list(p.values)} for p in self.points]}


def _noise(value: float, decisions: int | None) -> float:
    """Deviation of a share that was counted over so many."""
    level = min(max(value, 0.05), 0.95)
    return math.sqrt(level * (1 - level) / decisions) if decisions else 0.0


def measure(count: int, learn: Learn, *, sizes: int = SIZES, repeats: int = REPEATS, seed: int = 0) -> Curve:
    """The curve of `count` rows. Each repeat holds other rows out, and learns from growing parts of the others.

    Raises ValueError below LEAST rows.
    """
    if count < LEAST:
        raise ValueError(f"{counted(count, 'row', 'is', 'are')} too few")
    most = count - round(HELD_OUT * count)
    steps = [most // 2**back for back in range(sizes - 1, -1, -1) if most // 2**back >= 10]
    values: dict[int, list[float]] = {size: [] for size in steps}
    decisions = 0
    for repeat in range(repeats):
        places = list(range(count))
        Random(f"{seed}-{repeat}").shuffle(places)  # noqa: S311 - a draw, no secret
        asked, known = places[most:], places[:most]
        for size in steps:
            value, decisions = learn(known[:size], asked)
            values[size].append(value)
    return Curve(tuple(Point(size, tuple(found), decisions) for size, found in values.items()), count)
