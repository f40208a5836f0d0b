"""What `tunec plan` and `tunec why` print: every stage with its reasons, and the way from one back to its causes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stages.history import Ran
from tunec.shown import duration
from tunec.steps import Step, expected

_FROM = "(from the last runs)"


# ---------------------------------------------------------------- plan


def plan_text(steps: list[Step]) -> str:
    """A line a stage: what happens to it, its name, how long it takes, and why, one reason below the other."""
    width = max((len(step.name) for step in steps), default=0)
    times = {step.name: _time(step) for step in steps}
    column = max((len(time) for time in times.values()), default=0)
    lines = []
    for step in steps:
        first, *others = step.why() or ["unchanged"]
        lines.append(f"{step.state:<8}  {step.name:<{width}}  {times[step.name]:>{column}}  {first}")
        lines += [f"{'':<{8 + 2 + width + 2 + column + 2}}{other}" for other in others]
    return "\n".join([*lines, "", summary(steps)])


def summary(steps: list[Step]) -> str:
    counts = {state: sum(step.state == state for step in steps) for state in ("run", "restored", "cached")}
    if counts["cached"] == len(steps):
        return f"all {len(steps)} stages are up to date"
    words = {"run": "to run", "restored": "restored", "cached": "unchanged"}
    told = ", ".join(f"{many} {words[state]}" for state, many in counts.items() if many)
    return f"{told}: {estimate(steps)}" if counts["run"] else told


def estimate(steps: list[Step]) -> str:
    """`about 4 min 10 s (from the last runs)`; of a stage that never ran nothing is known."""
    seconds, unknown = expected(steps)
    if not unknown:
        return f"about {duration(seconds)} {_FROM}"
    names = f"{len(unknown)} stages" if len(unknown) > 1 else unknown[0]
    if len(unknown) == sum(step.runs for step in steps):
        return "how long is not known, they never ran" if len(unknown) > 1 else "how long is not known, it never ran"
    return f"about {duration(seconds)} {_FROM}, and {names} of which that is not known"


def plan_json(steps: list[Step]) -> dict[str, Any]:
    """seconds: of all stages to run, null where one of them never ran."""
    seconds, unknown = expected(steps)
    return {
        "stale": any(step.state != "cached" for step in steps),
        "seconds": None if unknown else seconds,
        "stages": [_json(step) for step in steps],
    }


def _time(step: Step) -> str:
    if not step.runs:
        return ""
    return "unknown" if step.seconds is None else f"about {duration(step.seconds)}"


def _json(step: Step) -> dict[str, Any]:
    return {
        "name": step.name,
        "state": step.state,
        "runs": step.runs,
        "reasons": step.why(),
        "after": list(step.after),
        "seconds": step.seconds,
    }


# ---------------------------------------------------------------- why


@dataclass(frozen=True)
class Cause:
    """A stage with reasons of its own, and the way to it: from the stage that was asked about, over those before it."""

    way: tuple[str, ...]
    reasons: tuple[str, ...]


def causes(name: str, steps: list[Step]) -> list[Cause]:
    """Where the reasons of a stage begin, each once and by the shortest way, the nearest first."""
    known = {step.name: step for step in steps}
    ways: dict[str, tuple[str, ...]] = {name: (name,)}
    for at in (waiting := [name]):  # it grows while it is walked
        for before in known[at].after:
            if before not in ways:
                ways[before] = (*ways[at], before)
                waiting.append(before)
    told: set[str] = set()
    found = []
    for at in waiting:
        if reasons := tuple(reason for reason in known[at].reasons if reason not in told):
            found.append(Cause(ways[at], reasons))
            told |= set(reasons)
    return found


def why_text(name: str, steps: list[Step]) -> str:
    step = next(step for step in steps if step.name == name)
    if step.state == "cached":
        same = "what it reads, its parameters, its code and its libraries are those of its last run"
        return f"{name} is up to date: {same}{_last(step.last)}"
    time = f", {_time(step)} {_FROM}" if step.seconds is not None else ""
    head = (
        f"{name} runs{time}" if step.runs else f"{name} is restored: DVC's run cache holds a run with the same inputs"
    )
    return "\n".join([head, *_branches(_tree(causes(name, steps)))])


def why_json(name: str, steps: list[Step]) -> dict[str, Any]:
    step = next(step for step in steps if step.name == name)
    last = {"ended": step.last.ended, "seconds": step.last.seconds} if step.last else None
    found = [{"stage": c.way[-1], "way": list(c.way), "reasons": list(c.reasons)} for c in causes(name, steps)]
    return {**_json(step), "last": last, "causes": found}


def _last(ran: Ran | None) -> str:
    return f" ({ran.ended[:16].replace('T', ' ')} UTC, {duration(ran.seconds)})" if ran else ""


def _tree(found: list[Cause]) -> dict[str, Any]:
    """Line -> the lines below it."""
    tree: dict[str, Any] = {}
    for cause in found:
        at = tree
        for name in cause.way[1:]:
            at = at.setdefault(f"after {name}", {})
        at |= {reason: {} for reason in cause.reasons}
    return tree


def _branches(tree: Mapping[str, Any], pad: str = "") -> Iterator[str]:
    for place, (line, below) in enumerate(tree.items(), start=1):
        last = place == len(tree)
        yield f"{pad}{'└─' if last else '├─'} {line}"
        yield from _branches(below, pad + ("   " if last else "│  "))
