"""The test figures held against success_criteria: ship, do not ship, or not enough rows to tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from stages.base import Key, Params, Read, Stage, Write
from stages.catalog import Gate, members
from stages.evidence import Evidence, Outcome, Scores, against
from stages.next_step import next_step
from stages.rows import read_json, write_json


@dataclass(frozen=True)
class Inputs:
    scores: Annotated[Path, Read("score.scores")]
    speed: Annotated[Path | None, Read("test.speed")] = None


class GateParams(Params):
    primary: Annotated[str, Key("success_criteria.primary_metric")]
    threshold: Annotated[float, Key("success_criteria.threshold")]
    gates: Annotated[dict[str, float | bool], Key("success_criteria.gates")]
    baseline: Annotated[str | None, Key("success_criteria.baseline")] = None
    confidence: Annotated[float, Key("evaluation.confidence")] = 0.95
    hour: Annotated[float | None, Key("costing.gate_hour", rare=True)] = None
    decide_by: Annotated[Literal["bound", "point"], Key("success_criteria.decide_by")] = "bound"


@dataclass(frozen=True)
class Outputs:
    verdict: Annotated[Path, Write("verdict.json", "metrics")]


def run(inputs: Inputs, params: GateParams, out: Outputs) -> None:
    """out.verdict: {verdict, chosen, rows, gates: [{gate, status, figure, bound, reason, needed}], next: what to do}.

    A failed gate is no error.
    """
    evidence = read_evidence(inputs, params)
    known = members("stages.gates", "GATE", Gate)
    bounds = {"threshold": params.threshold, **params.gates}
    # `bound is False` would miss 0.0, which is a bound: only a switch turns a gate off.
    wanted = {name: float(bound) for name, bound in bounds.items() if not isinstance(bound, bool)}
    judges = {name: known[name].judge if name in known else partial(of_metric, name) for name in wanted}
    outcomes = [judges[name](evidence, bound) for name, bound in sorted(wanted.items())]
    gates = [asdict(outcome) for outcome in outcomes]
    found = verdict(outcomes)
    report = {"verdict": found, "chosen": evidence.chosen.name, "rows": evidence.rows, "gates": gates}
    write_json(out.verdict, report | {"next": next_step(found, gates)})


def of_metric(name: str, evidence: Evidence, bound: float) -> Outcome:
    """A gate that is called like a metric: the chosen file's figure surely reaches the bound."""
    figure = evidence.chosen.figures.get(name)
    if figure is None:
        reason = f"the {evidence.rows} test rows hold nothing that {name} could measure"
        return Outcome(name, "not_enough_evidence", None, bound, reason)
    lower = name in evidence.lower
    return against(name, name, figure, bound, evidence.rows, lower=lower, confidence=evidence.confidence)


def verdict(outcomes: Sequence[Outcome]) -> str:
    """ship only when every gate passes; one that fails outweighs one that cannot tell."""
    statuses = {outcome.status for outcome in outcomes}
    if "fail" in statuses:
        return "do_not_ship"
    return "not_enough_evidence" if "not_enough_evidence" in statuses else "ship"


def read_evidence(inputs: Inputs, params: GateParams) -> Evidence:
    """The score stage's report as what gates look at."""
    scores = read_json(inputs.scores)
    chosen = scores["chosen"]
    systems = {name: Scores(name, _kind(name, chosen), figures) for name, figures in scores["systems"].items()}
    return Evidence(
        params.primary,
        systems[chosen],
        {name: system for name, system in systems.items() if name != chosen},
        scores["ahead"],
        scores["rows"],
        params.baseline,
        scores["beside"],
        params.confidence if params.decide_by == "bound" else None,
        _speed(inputs, params),
        frozenset(scores["lower"]),
        scores.get("versions", {}),
        scores.get("remembered", {}),
        scores.get("attacks", {}).get("figures", {}),
    )


def _speed(inputs: Inputs, params: GateParams) -> dict[str, Any]:
    """How quick the chosen file is as it is served; and what a thousand requests cost, where an hour has a price."""
    speed = dict(read_json(inputs.speed)["chosen"]) if inputs.speed else {}
    if params.hour is not None and speed.get("rows_per_second"):
        speed["cost_per_1000"] = 1000 * params.hour / 3600 / speed["rows_per_second"]
    return speed


def _kind(name: str, chosen: str) -> Any:
    if name in ("tuned", "f16"):
        return name
    return "quantized" if name == chosen else "baseline"


STAGE = Stage(
    name="gate",
    summary="Holds the test figures against success_criteria",
    run=run,
    inputs=Inputs,
    params=GateParams,
    outputs=Outputs,
)
