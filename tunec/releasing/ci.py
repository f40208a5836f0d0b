"""`tunec ci`: what a reviewer of a model has to know, in Markdown, and an exit code that says whether it may ship.

It looks and builds nothing: run `tunec build` before it. Of rows it shows their ids alone, for a pull request may be
read by anybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from compiler import Compiled
from stages.counting import counted
from stages.rows import read_json
from tunec import dvc_lock, dvc_store, git, outlook
from tunec.compiling import compile_workspace
from tunec.guard import recorded_overrides
from tunec.looking import look
from tunec.releasing import build, comparing, manifest, shelf
from tunec.releasing.change_log import markdown
from tunec.steps import Step

SHIP, GATE_FAILED, STALE = 0, 2, 3
_ROWS = 20  # of a table


def summary(root: Path) -> tuple[list[str], int]:
    """The lines of the page, and the exit code: 0 ship, 2 a gate failed or cannot tell, 3 the build is stale."""
    overrides = recorded_overrides(root)
    steps = look(root, overrides, lambda known: None)
    compiled = compile_workspace(root, overrides)
    head = f"## {markdown(compiled.task.task_name)}"
    if any(step.state != "cached" for step in steps):
        return [f"{head}: not built", "", *_plan(steps)], STALE
    verdict = read_json(root / build.VERDICT)
    word = markdown(str(verdict["verdict"]).replace("_", " "))
    lines = [f"{head}: {word}", "", *_gates(verdict), "", *_measured(root, compiled), "", *_plan(steps)]
    return lines, SHIP if verdict["verdict"] == "ship" else GATE_FAILED


def _plan(steps: Sequence[Step]) -> Iterator[str]:
    yield from ("### Plan", "", f"{markdown(outlook.summary(list(steps)))}.")
    stale = [step for step in steps if step.state != "cached"]
    if stale:
        rows = [(step.name, step.state, "; ".join(step.why()) or "-") for step in stale[:_ROWS]]
        yield from ("", *_table(("stage", "", "why"), rows), *_more(stale))


def _gates(verdict: Mapping[str, Any]) -> Iterator[str]:
    rows = [(gate["gate"], gate["status"].replace("_", " "), gate["reason"]) for gate in verdict["gates"]]
    yield from _table(("gate", "", "why"), rows)


def _measured(root: Path, compiled: Compiled) -> Iterator[str]:
    """The figures, beside those of the last release where there is one."""
    repo = git.repository(root)
    last = shelf.read(repo, git.head(repo)).last
    now = comparing.standing(root, manifest.gather(root, dvc_lock.of_the_graph(root), dvc_store.cache(root), compiled))
    if last is None:
        yield from ("### Figures", "", "There is no release yet to compare with.", "")
        rows = [(name, comparing.interval(figure)) for name, figure in sorted(now.whole["figures"].items())]
        yield from _table(("metric", "this build"), rows)
        return
    found = comparing.between(comparing.side(repo, root, last), now)
    yield from (f"### Against {markdown(last.name)}", "")
    rows = [(name, *map(comparing.interval, pair)) for name, pair in found["figures"].items()]
    yield from _table(("metric", last.name, "this build"), rows)
    yield from ("", *_answers(found), "", *_changes(found))


def _answers(found: Mapping[str, Any]) -> Iterator[str]:
    lead = found["lead"]
    if lead is None:
        yield "Its answers are not at hand (`dvc pull`), or none can be compared."
        return
    ahead = f"{lead['value']:+.3f} [{lead['low']:+.3f}, {lead['high']:+.3f}]"
    yield f"{markdown(lead['metric'])} {ahead} on the {counted(found['compared'], 'test row')} that both answered."
    for kind in ("fixed", "broken"):
        ids = [str(row["id"]) for row in found[kind]]
        named = f": {', '.join(f'`{id}`' for id in ids[:_ROWS])}" if ids else ""
        yield f"- {counted(len(ids), 'row')} {kind}{named}{' and more' if len(ids) > _ROWS else ''}"


def _changes(found: Mapping[str, Any]) -> Iterator[str]:
    told = [f"- {change['level']}: {markdown(change['what'])}" for change in found["changes"]]
    yield from ("### What changed", "", *(told[:_ROWS] or ["Nothing."]), *_more(told))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield _row(head)
    yield "|---" * len(head) + "|"
    yield from map(_row, rows)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(markdown(str(cell)) for cell in cells) + " |"


def _more(every: Sequence[Any]) -> list[str]:
    return ["", f"and {len(every) - _ROWS} more"] if len(every) > _ROWS else []
