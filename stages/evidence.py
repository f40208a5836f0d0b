"""What a gate may look at, and what it says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from stages.attack_figures import GATED
from stages.counting import counted
from stages.statistics import rows_needed

Status = Literal["pass", "fail", "not_enough_evidence"]


@dataclass(frozen=True)
class Scores:
    """One system's figures on the test split: metric name -> {value, low, high, bound, units}, and `alike` where all
    units say the same.
    """

    name: str
    kind: Literal["baseline", "tuned", "f16", "quantized"]
    figures: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Evidence:
    """The chosen model, the systems beside it, and how far it is ahead of each (paired, on the primary metric).

    rival: the one baseline to beat, where one is named. beside: {golden | adversarial: {rows, figures}}, where there
    are such rows. confidence: one-sided, of the bounds; None where gates go by the point alone. speed: what serving the
    chosen file took, where it was measured. lower: the metrics that are better when lower.
    remembered: see stages.remembering.recall. attacks: {name: {value, rows}}, see stages.withstanding.
    """

    primary: str
    chosen: Scores
    others: Mapping[str, Scores]
    ahead: Mapping[str, Mapping[str, float]]
    rows: int
    rival: str | None = None
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    confidence: float | None = 0.95
    speed: Mapping[str, Any] = field(default_factory=dict)
    lower: frozenset[str] = frozenset()
    versions: Mapping[str, Any] = field(default_factory=dict)
    remembered: Mapping[str, Any] = field(default_factory=dict)
    attacks: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """A gate's answer: the figure that was looked at, the bound that it had to reach, and a sentence.

    needed: about how many rows would tell, where those that there are do not and more would.
    """

    gate: str
    status: Status
    figure: float | None
    bound: float
    reason: str
    needed: int | None = None


def against(
    gate: str,
    what: str,
    figure: Mapping[str, float],
    bound: float,
    rows: int,
    *,
    lower: bool = False,
    more: bool = False,
    confidence: float | None = 0.95,
) -> Outcome:
    """Pass when a figure surely reaches `bound`; undecided when only its value does.

    figure: {value, bound, units}, its bound one-sided: the lower one, or with `lower` (a rate that must stay below) the
    upper one. more: to lie on `bound` is not enough. confidence: of the figure's bound; with None the value alone
    decides.
    """
    value, sure, units = figure["value"], figure["bound"], figure["units"]
    sign, beyond, within = (-1, "above", "below") if lower else (1, "below", "above")
    if sign * value < sign * bound:
        return Outcome(gate, "fail", value, bound, f"{what} is {value:.3f}, {beyond} {bound:g}")
    if confidence is None:
        return Outcome(gate, "pass", value, bound, f"{what} is {value:.3f}; needed {bound:g}")
    on_it = more and math.isclose(sure, bound, abs_tol=1e-12)
    if on_it or sign * sure < sign * bound:
        worth = "" if units == rows else f", worth {counted(int(units), 'independent one')},"
        shown = f"{counted(rows, 'row')}{worth} only {'shows' if rows == 1 else 'show'}"
        so = f"no less than {bound:g}, not more" if on_it else f"{within} {sure:.3f}, not {bound:g}"
        reason = f"{what} is {value:.3f}, but {shown} that it is {so}"
        needed = rows_needed(value, sure, bound, rows, units, confidence, alike=bool(figure.get("alike")))
        needed = max(needed, rows + 1) if needed else None
        reason += (
            f"; about {needed:,} rows would tell" if needed else "; no number of rows tells what lies on the bound"
        )
        return Outcome(gate, "not_enough_evidence", value, bound, reason, needed)
    reason = f"{what} is {value:.3f}, surely {within} {sure:.3f}; needed {bound:g}"
    return Outcome(gate, "pass", value, bound, reason)


def apart(gate: str, evidence: Evidence, bound: float) -> Outcome:
    """The primary metric on rows that stand apart reaches `bound`, by its value: such rows are few and all chosen."""
    found = evidence.beside.get(gate)
    if found is None:
        return Outcome(gate, "not_enough_evidence", None, bound, f"there are no {gate} rows")
    value = found["figures"][evidence.primary]["value"]
    status: Status = "pass" if value >= bound else "fail"
    reason = f"{evidence.primary} on {counted(found['rows'], f'{gate} row')} is {value:.3f}; needed {bound:g}"
    return Outcome(gate, status, value, bound, reason)


def conforms(gate: str, what: str, evidence: Evidence, bound: float) -> Outcome:
    """By the value: what a grammar enforces is no matter of chance, and a bound of 0.99 on an all-valid test split
    would else need hundreds of rows to say so. The reason names how sure it is.
    """
    figure = evidence.chosen.figures.get(gate)
    if figure is None:
        return Outcome(gate, "not_enough_evidence", None, bound, f"{gate} was not measured")
    value = figure["value"]
    status: Status = "pass" if value >= bound else "fail"
    reason = f"{value:.1%} of {evidence.rows} {what}; needed {bound:.1%}"
    if figure["bound"] < bound <= value:
        reason += f" (so few rows only show that it is above {figure['bound']:.1%})"
    return Outcome(gate, status, value, bound, reason)


def measured(gate: str, unit: str, evidence: Evidence, bound: float) -> Outcome:
    """A figure of serving that must stay at or below `bound`."""
    value = evidence.speed.get(gate)
    if value is None:
        return Outcome(gate, "not_enough_evidence", None, bound, "serving was not timed: set evaluation.latency")
    status: Status = "pass" if value <= bound else "fail"
    return Outcome(gate, status, float(value), bound, f"{value:.3f} {unit}; allowed {bound:g}")


def attacked(gate: str, evidence: Evidence, bound: float, *, lower: bool = False) -> Outcome:
    """A figure of hostile inputs, by its value: they are few, and all chosen. lower: it must stay at or below."""
    figure = evidence.attacks.get(gate)
    if figure is None:
        return Outcome(gate, "not_enough_evidence", None, bound, "no hostile input was asked that would tell")
    value = figure["value"]
    status: Status = "pass" if (value <= bound if lower else value >= bound) else "fail"
    found = f"{value:.1%} of {figure['rows']:g} hostile inputs {GATED[gate]}"
    reason = f"{found}; {'allowed' if lower else 'needed'} {bound:.1%}"
    return Outcome(gate, status, value, bound, reason)
