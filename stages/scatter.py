"""Two more plots of the page: quality against what it costs, and how sure a model is against how often it is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.drawing import ACCENT, INK, LINE, NARROW, SOFT, WIDE, bare_axes


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
    """Dots named beside themselves, cost on a logarithmic axis; those that none beats are joined."""
    text = 11.5 if narrow else 13
    with bare_axes(NARROW if narrow else WIDE, 240 if narrow else 300, (48, 14) if narrow else (56, 14), 42, text) as (
        axes,
        svg,
    ):
        axes.grid(color=LINE, linewidth=0.8)
        axes.set_xscale("log")
        best = front(points)
        axes.plot([p.cost for p in best], [p.value for p in best], color=SOFT, linewidth=1)
        for place, point in enumerate(sorted(points, key=lambda point: point.cost)):
            colour = ACCENT if point.chosen else INK
            axes.plot(point.cost, point.value, "o", markersize=7, color=colour)
            if not narrow or point in best or point.chosen:
                side = 1 if place % 2 else -1
                axes.annotate(
                    point.label,
                    (point.cost, point.value),
                    xytext=(0, 9 * side),
                    textcoords="offset points",
                    ha="center",
                    va="bottom" if side > 0 else "top",
                    color=colour,
                    fontsize=text - 1.5,
                    parse_math=False,
                )
        axes.set_xlabel(axis, color=SOFT, fontsize=text)
        axes.minorticks_off()
        axes.margins(x=0.16, y=0.2)
    return svg()


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
