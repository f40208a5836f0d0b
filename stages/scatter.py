"""Two more plots of the page: quality against what it costs, and how sure a model is against how often it is right."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.drawing import ACCENT, INK, LINE, NARROW, SOFT, WIDE, bare_axes
from stages.lettering import NEAR, Box, placed

_LEAST_TICKS = 3
_DIGITS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.5, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9))


@dataclass(frozen=True)
class Point:
    """A system at a cost (bytes, or seconds a row) with its figure."""

    label: str
    cost: float
    value: float
    chosen: bool = False


def front(points: Sequence[Point]) -> list[Point]:
    """Those that no other beats: none is at least as good for less. From cheap to dear."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.value, point.label)):
        if not kept or point.value > kept[-1].value:
            kept.append(point)
    return kept


def pareto(points: Sequence[Point], axis: str, *, narrow: bool) -> str:
    """Dots named beside themselves, cost on a logarithmic axis; those that none beats are joined.

    A name lies over no other; where there is no room for all, the chosen one's and the front's are those that stand.
    """
    text = 11.5 if narrow else 13
    with bare_axes(NARROW if narrow else WIDE, 240 if narrow else 300, (48, 14) if narrow else (56, 14), 42, text) as (
        axes,
        svg,
    ):
        axes.grid(color=LINE, linewidth=0.8)
        axes.set_xscale("log")
        best = front(points)
        axes.plot([p.cost for p in best], [p.value for p in best], color=SOFT, linewidth=1)
        for point in points:
            axes.plot(point.cost, point.value, "o", markersize=7, color=ACCENT if point.chosen else INK)
        axes.set_xlabel(axis, color=SOFT, fontsize=text)
        axes.margins(x=0.16, y=0.2)
        _ticks(axes, 4 if narrow else 8)
        ranked = sorted(points, key=lambda point: (not point.chosen, point not in best, point.cost))
        _names(axes, ranked, best, text - 1.5)
    return svg()


def _ticks(axes: Any, most: int) -> None:
    low, high = axes.get_xlim()
    axes.minorticks_off()
    at = log_ticks(low, high, most)
    axes.set_xticks(at, [f"{tick:.6g}" for tick in at])


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Round figures between two ends on a logarithmic axis: at least three, wherever the ends are apart, and not many
    more than `most`.
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in _DIGITS:
        found = [digit * 10.0**decade for decade in decades for digit in digits]
        found = [tick for tick in found if low <= tick <= high]
        if len(found) >= _LEAST_TICKS:
            return found[:: math.ceil(len(found) / most)]
    from matplotlib.ticker import MaxNLocator

    even = MaxNLocator(nbins=4, min_n_ticks=_LEAST_TICKS).tick_values(low, high)  # so near each other, the axis is even
    return [float(tick) for tick in even if low <= tick <= high]


def _names(axes: Any, points: Sequence[Point], joined: Sequence[Point], size: float) -> None:
    """The names in the order in which they choose their place; one that is far from its dot has a line to it."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    def extent(label: str) -> tuple[float, float]:
        """In a font wider than those of the page."""
        width, _, _ = text_to_path.get_text_width_height_descent(label, FontProperties(size=size), False)
        return width, size * 1.2

    def place(point: Point) -> tuple[float, float]:
        x, y = axes.transData.transform((point.cost, point.value)) * scale
        return float(x), float(y)

    scale = 72 / axes.figure.dpi
    dots = [place(point) for point in points]
    sizes = [extent(point.label) for point in points]
    boxes = placed(dots, sizes, Box(*axes.bbox.extents * scale), [place(point) for point in joined])
    for point, (x, y), box in zip(points, dots, boxes, strict=True):
        if box is None:
            continue
        at = {"xycoords": "figure points", "textcoords": "figure points", "parse_math": False}
        colour = ACCENT if point.chosen else INK
        middle = ((box.left + box.right) / 2, (box.low + box.high) / 2)
        axes.annotate(point.label, middle, middle, ha="center", va="center", color=colour, fontsize=size, **at)
        end = box.nearest(x, y)
        if math.dist(end, (x, y)) > 2 * NEAR:
            line = {"arrowstyle": "-", "color": SOFT, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (x, y), end, arrowprops=line, **at)


def reliability(bins: Sequence[Mapping[str, float]], *, narrow: bool) -> str:
    """How often labels of a probability are right; on the diagonal a model is as sure as it should be."""
    text = 11.5 if narrow else 13
    with bare_axes(NARROW if narrow else 480, 260 if narrow else 320, (40, 14), 42, text) as (axes, svg):
        axes.grid(color=LINE, linewidth=0.8)
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, dashes=(4, 3))
        axes.plot(
            [one["said"] for one in bins], [one["right"] for one in bins], color=ACCENT, linewidth=1.6, marker="o"
        )
        axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
        axes.set_xlabel("probability", color=SOFT, fontsize=text)
    return svg()


def points(systems: Sequence[Mapping[str, Any]], primary: str, cost: str) -> list[Point]:
    """Of the systems that have a cost: `bytes`, or `rows_per_second` as seconds a row.

    On dev, by which a file is chosen: what was asked test rows alone has no place beside them.
    """
    found = []
    for system in systems:
        figures, of = system["dev"], system[cost]
        if figures and of:
            value = 1 / of if cost == "rows_per_second" else of / 1e6
            found.append(Point(system["label"], value, figures[primary]["value"], system["chosen"]))
    return found
