"""Where the names of dots stand in a plot: near their own, over no other name, and over no dot."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

NEAR = 8.0  # points from the middle of a dot to a name that touches it
_DOT = 4.0  # half a dot
_GAP = 2.0  # between names
_STEP = 4.0  # along a line
_RINGS = (NEAR, 20.0, 34.0, 50.0, 68.0, 90.0)
_SIDES = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))  # above, below, right, left, corners
Place = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """In points, from the lower left."""

    left: float
    low: float
    right: float
    high: float

    def meets(self, other: Box, gap: float = 0.0) -> bool:
        return (
            self.left < other.right + gap
            and other.left < self.right + gap
            and self.low < other.high + gap
            and other.low < self.high + gap
        )

    def within(self, other: Box) -> bool:
        across = other.left <= self.left and self.right <= other.right
        return across and other.low <= self.low and self.high <= other.high

    def nearest(self, x: float, y: float) -> Place:
        """Its point that is nearest to that one."""
        return min(max(x, self.left), self.right), min(max(y, self.low), self.high)


def placed(
    dots: Sequence[Place], sizes: Sequence[tuple[float, float]], area: Box, line: Sequence[Place] = ()
) -> list[Box | None]:
    """A box for the name of each dot, of that width and height; the first chooses first. None where no place is left.

    line: the corners of one that names keep off, where they can.
    """
    taken = [_speck(dot, _DOT) for dot in dots]
    drawn = [_speck(place, 0.5) for place in _along(line)]
    found: list[Box | None] = []
    for dot, size in zip(dots, sizes, strict=True):
        free = [box for box in _around(dot, size, area) if not _meets(box, taken)]
        box = next((box for box in free if not _meets(box, drawn)), free[0] if free else None)
        found.append(box)
        taken += [box] if box else []
    return found


def _meets(box: Box, others: Sequence[Box]) -> bool:
    return any(box.meets(other, _GAP) for other in others)


def _speck(place: Place, half: float) -> Box:
    x, y = place
    return Box(x - half, y - half, x + half, y + half)


def _along(line: Sequence[Place]) -> Iterator[Place]:
    """Places on a line, so near each other that no name passes between two of them."""
    for (x, y), (to_x, to_y) in pairwise(line):
        steps = max(1, round(math.dist((x, y), (to_x, to_y)) / _STEP))
        yield from ((x + (to_x - x) * n / steps, y + (to_y - y) * n / steps) for n in range(steps + 1))


def _around(dot: Place, size: tuple[float, float], area: Box) -> Iterator[Box]:
    """Places for a name, the nearest first. One above or below its dot moves in from the edge of the area."""
    (x, y), (width, height) = dot, size
    for ring in _RINGS:
        for across, up in _SIDES:
            left = x - width / 2 + across * (ring + width / 2)
            low = y - height / 2 + up * (ring + height / 2)
            if up:
                left = max(area.left, min(left, area.right - width))
            box = Box(left, low, left + width, low + height)
            if box.within(area):
                yield box
