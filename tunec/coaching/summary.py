"""task_summary.yaml: what was agreed on, for people; its shape is that of the interview that it sums up."""

from __future__ import annotations

from typing import Any

import yaml

from tunec.advising import hardware
from tunec.coaching.case import Case


def summary(case: Case) -> str:
    """The goal, the constraints, what success means, how it is versioned; then what was assumed, and what disagrees."""
    told: dict[str, Any] = {
        "name": case.value("task_name"),
        "type": case.value("task_type"),
        "domain": case.value("domain"),
        "language": case.value("language"),
        "goal": case.value("goal"),
        "constraints": _constraints(case),
        "success_criteria": _criteria(case),
        "versioning": {
            "strategy": case.value("versioning.strategy"),
            "deploy_target": case.value("versioning.deploy_target"),
            "retention": case.value("versioning.retention"),
        },
        "assumptions": [f"{key}: {why}" for key, why in case.assumed().items()],
        "contradictions": [one.said for one in case.contradictions],
    }
    kept = {key: value for key, value in told.items() if value not in (None, [], {})}
    text = yaml.safe_dump({"task_summary": kept}, allow_unicode=True, sort_keys=False, width=10_000)
    return f"# {case.words.say('said.summary')}\n{text}"


def _constraints(case: Case) -> list[str]:
    rows = f"{case.seen.total:,}" if case.seen else case.said("rows")
    gpu = hardware.gpu(case.answers)
    memory = f"{case.said('gpu_memory'):g} GB" if gpu != "none" and case.said("gpu_memory") else ""
    called = ", ".join(filter(None, (case.words.say(f"choices.gpu.{gpu}"), memory))) if gpu else None
    values = {"rows": rows, "gpu": called, "timeline": case.said("timeline")}
    values |= {"volume": case.said("volume"), "latency": case.said("latency"), "today": case.said("today")}
    found = [
        case.words.say(f"said.constraints.{name}", value=_plain(value))
        for name, value in values.items()
        if value is not None
    ]
    return found + ([case.words.say("said.constraints.privacy")] if case.said("data_may_leave") is False else [])


def _plain(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _criteria(case: Case) -> dict[str, Any]:
    found = {name: case.value(f"success_criteria.{name}") for name in ("primary_metric", "threshold")}
    baseline, score = case.said("baseline"), case.said("baseline_score")
    known = [str(part) for part in (None if baseline == "none" else baseline, score) if part is not None]
    if known:
        found["baseline"] = "_".join(known)
    return found
