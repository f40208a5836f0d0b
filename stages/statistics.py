"""How sure a figure is: intervals of shares, tests between two systems, and how many rows would tell."""

from __future__ import annotations

import math
from statistics import NormalDist

POWER = 0.8  # how often a true difference of the detectable size is shown


def wilson(hits: float, rows: float, confidence: float) -> tuple[float, float]:
    """The two-sided interval of a share. Right also near 0 and 1, where a bootstrap sees no spread at all.

    Source: Wilson 1927; Brown, Cai and DasGupta 2001.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, square = hits / rows, z * z / rows
    middle = (share + square / 2) / (1 + square)
    half = z * math.sqrt(share * (1 - share) / rows + square / (4 * rows)) / (1 + square)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return (0.0 if hits == 0 else low), (1.0 if hits == rows else high)


def unanimous(value: float, units: int, ends: tuple[float, float], tail: float) -> tuple[float, float]:
    """Of a figure within `ends` to which all units say the same: as many may be unlike them, and as far off as can be,
    as Wilson's interval of none among so many leaves open. So three out of three are no certainty.
    """
    unlike = wilson(0, units, 1 - 2 * tail)[1]
    return value - unlike * (value - ends[0]), value + unlike * (ends[1] - value)


def student(tail: float, units: int) -> float:
    """How many standard errors, estimated from so many units, leave `tail` beyond them."""
    from scipy.special import stdtrit

    return float(stdtrit(units - 1, 1 - tail))


def expanded(tail: float, units: int) -> float:
    """The tail of a bootstrap over so many units that is as far out as Student's t. Source: Hesterberg 2015, what
    teachers should know about the bootstrap: the expanded percentile interval.
    """
    return NormalDist().cdf(-math.sqrt(units / (units - 1)) * student(tail, units))


def worth(share: float, error: float, rows: float, units: int, tail: float) -> float:
    """How many rows by themselves would show a share as surely as `rows` in so many groups do, by its standard error
    over groups. Source: Korn and Graubard 1998; Dean and Pagano 2015, who find Wilson's interval of these the best.
    """
    alone = min(rows, share * (1 - share) / error**2)
    return alone * (NormalDist().inv_cdf(1 - tail) / student(tail, units)) ** 2


def mcnemar(won: int, lost: int) -> float:
    """The exact two-sided p of rows that one of two systems alone has right. 1 where they never differ.

    Source: McNemar 1947, with the exact binomial.
    """
    changed, ways, tail = won + lost, 1, 0  # ways: how many there are that one side has so few of the rows
    for few in range(min(won, lost) + 1):
        tail += ways
        ways = ways * (changed - few) // (few + 1)
    return min(1.0, 2 * tail / (1 << changed))


def detectable(low: float, high: float, confidence: float) -> float:
    """The least lead that so many rows would show four times in five, by the width of the lead's two-sided interval.

    One-sided at `confidence`, as gates decide. Source: Cohen 1988, with the interval's own standard error.
    """
    normal = NormalDist()
    error = (high - low) / (2 * normal.inv_cdf((1 + confidence) / 2))
    return (normal.inv_cdf(confidence) + normal.inv_cdf(POWER)) * error


def rows_needed(
    value: float, bound: float, limit: float, rows: int, units: float, confidence: float, *, alike: bool = False
) -> int | None:
    """How many rows would put the one-sided bound at `limit`, if the value stays as it is. None where none would.

    units: how many of `rows` count, and for themselves; of more rows as large a share is taken to. alike: whether they
    all say the same, so that the bound is that of `unanimous`. An interval shrinks with the square root of its rows;
    that of a share without any miss, or of units that are all alike, with the rows.
    """
    room, width = abs(value - limit), abs(value - bound)
    if room < 1e-12:
        return None
    square = NormalDist().inv_cdf(confidence) ** 2
    if alike:
        unlike = square / (units + square) * room / width  # the share of units unlike them that may be left open
    elif value in (0.0, 1.0) and 0 <= bound <= 1 and value != bound:
        unlike = room
    else:
        return math.ceil(rows * (width / room) ** 2 - 1e-6)
    return max(1, math.ceil(square * (1 - unlike) / unlike * rows / units - 1e-6))
