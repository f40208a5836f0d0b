"""The verdict in words: what it is, why, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages import own

TITLES = {"ship": "Ship", "do_not_ship": "Do not ship", "not_enough_evidence": "Not enough evidence"}
# The first gate of this order that failed says what to do; a gate that is not here gets the general advice.
AFTER_FAILING = {
    "beats_baselines": "A baseline does as well without training: use it, or bring rows that it gets wrong.",
    "schema_validity": "See in the flip list how answers break the contract; cut answers want a larger "
    "evaluation.max_new_tokens.",
    "threshold": "Bring more or better training rows, or another base model; a build runs only what that touches.",
}
AFTER_FAILING |= {
    "golden_errors": "A golden row is wrong: see it in build/test/golden.jsonl, and train on rows like it.",
    "parse_rate": "See in the clusters how answers cannot be read; decode under the grammar.",
    "latency_p95": "Choose a smaller format or base model, or shorten prompt and answers.",
}
MEND = "Mend what the gate measures, or set its bound in success_criteria.gates to what the job needs."


@dataclass(frozen=True)
class Headline:
    verdict: str
    title: str
    why: str
    next: str


def headline(report: Mapping[str, Any]) -> Headline:
    """`report` is the table of the stage `report`."""
    say = {"ship": _ship, "do_not_ship": _do_not_ship, "not_enough_evidence": _unsure}[report["verdict"]]
    verdict = report["verdict"]
    return Headline(verdict, TITLES[verdict], say(report), next_step(verdict, report["gates"]))


def metric_name(name: str) -> str:
    """slot_f1 -> slot F1."""
    if found := own.split(name):
        return found[1]
    known = {"free_validity": "unconstrained validity", "ece": "expected calibration error", "bleu": "BLEU"}
    return known.get(name) or " ".join("F1" if word == "f1" else word for word in name.split("_"))


def next_step(verdict: str, gates: Sequence[Mapping[str, Any]]) -> str:
    """What to do after a verdict, by the gates: {gate, status, needed, ...} each."""
    if verdict == "ship":
        return "build/package/ holds these very bytes, their card and their Modelfile."
    if verdict == "do_not_ship":
        failed = {gate["gate"] for gate in gates if gate["status"] == "fail"}
        return next((text for gate, text in AFTER_FAILING.items() if gate in failed), MEND)
    needed = max((gate.get("needed") or 0 for gate in gates), default=0)
    bring = f"Bring about {needed:,} test rows in all" if needed else "Bring more test rows"
    return f"{bring} (four times as many halve an interval), or switch on a baseline if none was run."


def _ship(report: Mapping[str, Any]) -> str:
    chosen = next(system for system in report["systems"] if system["chosen"])
    value = chosen["test"][report["primary"]]["value"]
    where = f"{metric_name(report['primary'])} of {value:.3f} on {report['rows']['test']:,} test rows"
    gates = len(report["gates"])
    return f"{chosen['label']} reaches a {where} and passes {'its one gate' if gates == 1 else f'all {gates} gates'}."


def _do_not_ship(report: Mapping[str, Any]) -> str:
    failed = {gate["gate"]: gate["reason"] for gate in report["gates"] if gate["status"] == "fail"}
    count = f"{len(failed)} of {len(report['gates'])} gates {'fails' if len(failed) == 1 else 'fail'}"
    return f"{count}: {'; '.join(failed.values())}."


def _unsure(report: Mapping[str, Any]) -> str:
    open_ = [gate["reason"] for gate in report["gates"] if gate["status"] == "not_enough_evidence"]
    return f"No gate fails, but {report['rows']['test']:,} test rows do not settle it: {'; '.join(open_)}."
