"""What a gate may look at, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["pass", "fail", "not_enough_evidence"]


@dataclass(frozen=True)
class Scores:
    """One system's figures on the test split: metric name -> {value, low, high, bound}."""

    name: str
    kind: Literal["baseline", "tuned", "f16", "quantized"]
    figures: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Evidence:
    """The chosen model, the systems beside it, and how far it is ahead of each (paired, on the primary metric).

    rival: the one baseline to beat, where one is named. beside: {golden | adversarial: {rows, figures}}, where there
    are such rows. remembered: see stages.remembering.recall.
    """

    primary: str
    chosen: Scores
    others: Mapping[str, Scores]
    ahead: Mapping[str, Mapping[str, float]]
    rows: int
    rival: str | None = None
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    remembered: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """A gate's answer: the figure that was looked at, the bound that it had to reach, and a sentence."""

    gate: str
    status: Status
    figure: float | None
    bound: float
    reason: str


def against(gate: str, what: str, value: float, lower: float, bound: float, rows: int) -> Outcome:
    """Pass when the one-sided lower bound of a figure reaches `bound`; undecided when only its value does."""
    if value < bound:
        return Outcome(gate, "fail", value, bound, f"{what} is {value:.3f}, below {bound:g}")
    if lower < bound:
        reason = f"{what} is {value:.3f}, but {rows} rows only show that it is above {lower:.3f}, not {bound:g}"
        return Outcome(gate, "not_enough_evidence", value, bound, reason)
    return Outcome(gate, "pass", value, bound, f"{what} is {value:.3f}, surely above {lower:.3f}; needed {bound:g}")


def apart(gate: str, evidence: Evidence, bound: float) -> Outcome:
    """The primary metric on rows that stand apart reaches `bound`, by its value: such rows are few and all chosen."""
    found = evidence.beside.get(gate)
    if found is None:
        return Outcome(gate, "not_enough_evidence", None, bound, f"there are no {gate} rows")
    value = found["figures"][evidence.primary]["value"]
    status: Status = "pass" if value >= bound else "fail"
    reason = f"{evidence.primary} on {found['rows']} {gate} rows is {value:.3f}; needed {bound:g}"
    return Outcome(gate, status, value, bound, reason)
