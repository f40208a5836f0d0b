"""Plots as SVG for a page: no fixed colour, no font, no size, and the same bytes for the same figures.

matplotlib draws in stand-in colours, which become the page's CSS variables: so one plot serves light, dark and paper.
Every plot comes twice, for a wide screen and for a phone, where lettering scaled down would be too small to read.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INK, SOFT, LINE, ACCENT, PAGE = "#010101", "#020202", "#030303", "#040404", "#050505"
VARIABLES = {INK: "--ink", SOFT: "--soft", LINE: "--line", ACCENT: "--accent", PAGE: "--page"}
WIDE, NARROW = 960, 342  # points, which are the SVG's units
MOST_POINTS = 400  # of a curve
LONGEST_LABEL = 40


@dataclass(frozen=True)
class Mark:
    """A line of the forest plot: a system with its figures {value, low, high} on either split."""

    label: str
    dev: Mapping[str, float] | None
    test: Mapping[str, float] | None
    chosen: bool = False


@dataclass(frozen=True)
class Curve:
    """Loss over steps, at most MOST_POINTS of them; `dev` has a point where a step has one."""

    steps: tuple[float, ...]
    loss: tuple[float, ...]
    dev: tuple[tuple[float, float], ...] = ()


# ---------------------------------------------------------------- the primary metric


def forest(marks: Sequence[Mark], threshold: float, *, narrow: bool) -> str:
    """Dots with intervals, dev hollow and test full, a line a system from the top; the threshold dashed."""
    row, text = (44, 11.5) if narrow else (36, 13)
    height = row * len(marks) + 34
    low, high = _range(marks, threshold)
    names = min(320, 24 + 7.2 * max(len(_short(mark.label)) for mark in marks))
    with bare_axes(NARROW if narrow else WIDE, height, (8, 26) if narrow else (names, 150), 30, text) as (axes, svg):
        axes.set(xlim=(low, high), ylim=(len(marks) - 0.5, -0.5), yticks=[])
        axes.grid(axis="x", color=LINE, linewidth=0.8)
        axes.axvline(threshold, color=SOFT, linewidth=1, dashes=(4, 3))
        for place, mark in enumerate(marks):
            _lettering(axes, place, mark, narrow, text)
            _dots(axes, place + (0.14 if narrow else 0), mark)
    return svg()


def _range(marks: Sequence[Mark], threshold: float) -> tuple[float, float]:
    ends = [figure[end] for m in marks for figure in (m.dev, m.test) if figure for end in ("low", "high", "value")]
    low, high = min([threshold, *ends]), max([threshold, *ends])
    room = max((high - low) * 0.04, 0.01)
    return low - room, high + room


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"


def _lettering(axes: Any, place: int, mark: Mark, narrow: bool, size: float) -> None:
    at = {"transform": axes.get_yaxis_transform(), "va": "center", "parse_math": False, "fontsize": size}
    colour, weight = (ACCENT, "bold") if mark.chosen else (INK, "normal")
    if narrow:
        axes.text(0, place - 0.28, _short(mark.label), ha="left", color=colour, weight=weight, **at)
    else:
        axes.text(-0.02, place, _short(mark.label), ha="right", color=colour, weight=weight, **at)
    shown = mark.test or mark.dev
    if shown:
        colour = colour if mark.test else SOFT
        point = 1 / (axes.get_position().width * WIDE)
        x, y = (1.05, place - 0.28) if narrow else (1 + 52 * point, place)
        axes.text(x, y, f"{shown['value']:.3f}", ha="right", color=colour, weight=weight, **at)
        if not narrow:
            axes.text(1 + 140 * point, y, f"{shown['low']:.2f} – {shown['high']:.2f}", ha="right", color=SOFT, **at)


def _dots(axes: Any, place: float, mark: Mark) -> None:
    colour = ACCENT if mark.chosen else INK
    for figure, shift, full in ((mark.dev, 0.13, False), (mark.test, -0.13, True)):
        if figure:
            y = place + (shift if mark.dev and mark.test else 0)
            axes.plot(
                [figure["low"], figure["high"]], [y, y], color=colour if full else SOFT, linewidth=1.8 if full else 1.2
            )
            face, edge = (colour, colour) if full else (PAGE, SOFT)
            axes.plot(figure["value"], y, "o", markersize=7 if full else 6, markerfacecolor=face, markeredgecolor=edge)


# ---------------------------------------------------------------- the training curve


def read_curve(path: Path) -> Curve:
    """A CSV of step, loss and perhaps dev_loss; long ones averaged in equal pieces, what is no number left out."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    points = [(_number(line["step"]), _number(line["loss"])) for line in lines]
    dev = [(_number(line["step"]), _number(line.get("dev_loss"))) for line in lines]
    thin = _thinned([point for point in points if _finite(point)])
    return Curve(tuple(x for x, _ in thin), tuple(y for _, y in thin), tuple(filter(_finite, dev)))


def curve(curves: Mapping[str, Curve], chosen: str, *, narrow: bool) -> str:
    """The chosen variant's loss: every step faint, its running mean firm. Other variants by a thin mean alone."""
    text = 11.5 if narrow else 13
    width, height = (NARROW, 220) if narrow else (WIDE, 300)
    with bare_axes(width, height, (36, 8) if narrow else (48, 150), 42, text) as (axes, svg):
        axes.grid(axis="y", color=LINE, linewidth=0.8)
        axes.set_xlabel("step", color=SOFT, fontsize=text)
        for name in sorted(curves, key=lambda name: name == chosen):
            _loss(axes, curves[name], name == chosen)
        if not narrow:
            _ends(axes, curves[chosen], text)
        axes.set_ylim(bottom=0)
        axes.margins(x=0.01)
        axes.locator_params(nbins=5 if narrow else 8, axis="x")
    return svg()


def _loss(axes: Any, of: Curve, chosen: bool) -> None:
    if chosen:
        axes.plot(of.steps, of.loss, color=ACCENT, linewidth=1, alpha=0.3)
    axes.plot(of.steps, running_mean(of.loss), color=ACCENT if chosen else SOFT, linewidth=2.2 if chosen else 1)
    if chosen and of.dev:
        axes.plot(*zip(*of.dev, strict=True), color=INK, linewidth=1.6, marker="o", markersize=5, markerfacecolor=PAGE)


def _ends(axes: Any, of: Curve, size: float) -> None:
    """The last values, written where the lines end."""
    ends = [(running_mean(of.loss)[-1], "train", ACCENT)] + [(y, "dev", INK) for _, y in of.dev[-1:]]
    for value, name, colour in ends:
        at = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": size, "parse_math": False}
        axes.text(1.02, value, f"{name} {value:.3f}", color=colour, **at)


def running_mean(values: Sequence[float]) -> list[float]:
    """Mean over a window around each value, a twentieth of the curve to either side; less at the steep beginning."""
    reach = max(1, len(values) // 20)
    spans = (values[place - r : place + r + 1] for place in range(len(values)) for r in [min(reach, place)])
    return [sum(span) / len(span) for span in spans]


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    size = max(1, math.ceil(len(points) / MOST_POINTS))
    pieces = [points[i : i + size] for i in range(0, len(points), size)]
    return [(sum(x for x, _ in p) / len(p), sum(y for _, y in p) / len(p)) for p in pieces]


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _finite(point: tuple[float, float]) -> bool:
    return all(map(math.isfinite, point))


# ---------------------------------------------------------------- from matplotlib to the page


@contextmanager
def bare_axes(
    width: float, height: float, sides: tuple[float, float], foot: float, text: float
) -> Iterator[tuple[Any, Callable[[], str]]]:
    """Bare axes in a figure of so many points, and a function that gives the SVG once the block is left."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever a matplotlibrc in the workspace says
        matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "tunec", "font.size": text})
        figure = Figure(figsize=(width / 72, height / 72))
        left, right = sides
        axes = figure.add_axes((left / width, foot / height, 1 - (left + right) / width, 1 - (foot + 8) / height))
        axes.set_frame_on(False)
        axes.set_axisbelow(True)
        axes.tick_params(length=0, labelcolor=SOFT, labelsize=text, pad=6)
        written: list[str] = []
        yield axes, lambda: written[0]
        written.append(_svg(figure))


def _svg(figure: Any) -> str:
    """The drawing alone: no prolog, metadata, size or namespace; colours by variable, ids that belong to this plot."""
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    view = re.search(r'viewBox="[^"]*"', text)
    text = re.sub(r"<svg[^>]*>", f'<svg {view[0] if view else ""} aria-hidden="true" focusable="false">', text, count=1)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    return _own_ids(text).strip()


def _own_ids(text: str) -> str:
    """Drop ids that nothing names, and begin the others with a hash of the plot, for a page holds several plots."""
    mark = hashlib.sha256(text.encode()).hexdigest()[:8]
    text = text.replace("xlink:href", "href")
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text))
    names = {name for pair in used for name in pair if name}
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{mark}-{m[1]}"' if m[1] in names else "", text)
    return re.sub(r'(href="#|url\(#)', rf"\g<1>{mark}-", text)
