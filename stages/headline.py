"""The verdict in words: what it is, why, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages import own
from stages.counting import counted
from stages.next_step import next_step

TITLES = {"ship": "Ship", "do_not_ship": "Do not ship", "not_enough_evidence": "Not enough evidence"}


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


def _ship(report: Mapping[str, Any]) -> str:
    chosen = next(system for system in report["systems"] if system["chosen"])
    value = chosen["test"][report["primary"]]["value"]
    where = f"{metric_name(report['primary'])} of {value:.3f} on {counted(report['rows']['test'], 'test row')}"
    gates = len(report["gates"])
    return f"{chosen['label']} reaches a {where} and passes {'its one gate' if gates == 1 else f'all {gates} gates'}."


def _do_not_ship(report: Mapping[str, Any]) -> str:
    failed = {gate["gate"]: gate["reason"] for gate in report["gates"] if gate["status"] == "fail"}
    count = f"{len(failed)} of {len(report['gates'])} gates {'fails' if len(failed) == 1 else 'fail'}"
    return f"{count}: {'; '.join(failed.values())}."


def _unsure(report: Mapping[str, Any]) -> str:
    open_ = [gate["reason"] for gate in report["gates"] if gate["status"] == "not_enough_evidence"]
    do = counted(report["rows"]["test"], "test row", "does", "do")
    return f"No gate fails, but {do} not settle it: {'; '.join(open_)}."
