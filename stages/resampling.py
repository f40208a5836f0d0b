"""How far a figure of some rows may be from that of all such rows.

What is drawn is a unit: a group of rows, or a row without a group. Resampling units sees only as much spread as they
show, so its tails are Student's; of fewer units than FEW not even all resamples reach that far, and each is left out in
turn instead; and where all are alike, the share of units unlike them is what so many leave open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from stages.statistics import expanded, student, unanimous, wilson, worth

FEW = 6  # of five units, all lie to one side of the middle in one draw of sixteen: more often than 95% allows
SPREAD = 1e-12  # what rounding alone makes differ
Ends = Callable[[float], tuple[float, float]]  # from the chance that is left on either side to both ends


@dataclass(frozen=True)
class Units:
    """of: (rows,) the place of each row's unit. many: how many there are."""

    of: Any
    many: int

    def sums(self, counts: Any) -> Any:
        """(rows, K) a metric's counts -> (units, K)."""
        import numpy as np

        found = np.zeros((self.many, counts.shape[1]))
        np.add.at(found, self.of, counts)
        return found


def units(groups: Sequence[str | None]) -> Units:
    """groups: of each row, None where it stands for itself."""
    import numpy as np

    names = [group if group is not None else f"\0{place}" for place, group in enumerate(groups)]
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return Units(np.array([places[name] for name in names], dtype=int), len(places))


@dataclass(frozen=True)
class Alike:
    """The ends of a figure to which all units say the same. within: those that it can have at all."""

    value: float
    units: int
    within: tuple[float, float]

    def __call__(self, tail: float) -> tuple[float, float]:
        return unanimous(self.value, self.units, self.within, tail)


@dataclass(frozen=True)
class Drawn:
    """A figure as a function of how often each unit was drawn, (..., units) -> (...), which is in [low, high].

    counting: the places of the units that count for it.
    """

    figure: Callable[[Any], Any]
    many: int
    counting: Any
    low: float
    high: float

    @cached_property
    def value(self) -> float:
        import numpy as np

        return float(self.figure(np.ones(self.many)))

    def ends(self, resamples: int) -> Ends:
        """By resampling with replacement, the percentile bootstrap. Source: Efron and Tibshirani 1993; Field and Welsh
        2007, clusters; Hesterberg 2015, its tails. By leaving out: MacKinnon, Nielsen and Webb 2023, few clusters.
        """
        import numpy as np

        samples = self.figure(_draws(self.many, resamples))
        if np.nanmax(samples) - np.nanmin(samples) < SPREAD:
            return self._alike
        if len(self.counting) >= FEW:
            return lambda tail: _quantiles(samples, expanded(tail, len(self.counting)))
        return self._left_out()

    @property
    def _alike(self) -> Alike:
        return Alike(self.value, max(1, len(self.counting)), (self.low, self.high))

    def _left_out(self) -> Ends:
        """The jackknife's standard error, by Student's t: about the figure itself, for about the mean of the others it
        is none where each unit moves the figure alike.
        """
        import numpy as np

        many = len(self.counting)
        weights = np.ones((many, self.many))
        weights[range(many), self.counting] = 0
        without = self.figure(weights)
        if many < 2 or not np.isfinite(without).all():
            return self._alike
        error = float(np.sqrt((many - 1) / many * ((without - self.value) ** 2).sum()))
        if error < SPREAD:
            return self._alike
        reach = error * np.array([-1.0, 1.0])

        def ends(tail: float) -> tuple[float, float]:
            low, high = np.clip(self.value + student(tail, many) * reach, self.low, self.high)
            return float(low), float(high)

        return ends


def of_share(sums: Any) -> Ends:
    """Of hits and rows by unit, (units, 2): Wilson's interval, of groups for as many rows as they are worth."""
    import numpy as np

    told = sums[sums[:, 1] > 0]
    hits, rows = map(float, told.sum(axis=0))
    if rows == len(told):
        return lambda tail: wilson(hits, rows, 1 - 2 * tail)
    share, many = hits / rows, len(told)
    scatter = ((told[:, 0] - share * told[:, 1]) ** 2).sum() / rows**2
    error = float(np.sqrt(scatter * many / max(1, many - 1)))

    if error < SPREAD:
        return Alike(share, many, (0.0, 1.0))

    def ends(tail: float) -> tuple[float, float]:
        alone = worth(share, error, rows, many, tail)
        return wilson(share * alone, alone, 1 - 2 * tail)

    return ends


def permuted(value: Callable[[Any], Any], a: Any, b: Any, resamples: int) -> float:
    """The chance of a difference as large as a's and b's, (units, K), where a unit's two sides change places at random.
    Where a side is left without a row that counts, nothing tells that it is smaller.

    Source: Noreen 1989, approximate randomization; Riezler and Maxwell 2005.
    """
    import numpy as np

    kept = np.random.default_rng(1).integers(0, 2, (resamples, len(a))).astype(float)
    apart = value(kept @ a + (1 - kept) @ b) - value(kept @ b + (1 - kept) @ a)
    observed = abs(float(value(a.sum(axis=0)) - value(b.sum(axis=0))))
    smaller = np.abs(apart) < observed - SPREAD
    return float((1 + (~smaller).sum()) / (1 + resamples))


def _quantiles(samples: Any, tail: float) -> tuple[float, float]:
    """Resamples in which no row counts say nothing, and are left out."""
    import numpy as np

    low, high = np.nanquantile(samples, [tail, 1 - tail])
    return float(low), float(high)


@lru_cache(maxsize=2)
def _draws(many: int, resamples: int) -> Any:
    """(resamples, many), the same for every metric and system on one split: made once."""
    import numpy as np

    drawn = np.random.default_rng(0).multinomial(many, np.full(many, 1 / many), size=resamples).astype(float)
    drawn.flags.writeable = False
    return drawn
