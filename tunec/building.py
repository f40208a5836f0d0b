"""`tunec build`: compile, let DVC run the graph, show each stage as it goes, end with what was measured."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from compiler.emit import GUARD
from compiler.task import Task
from stages.base import Diagnostic, Span, UserError, fail
from stages.runner import REPORT_TO
from tunec import dvc
from tunec.dvc import EVENTS, LOG
from tunec.start import show

_KILLED = re.compile(r"exited with (137|-9)\b")
_MARKS = {"running": "▸", "done": "✓", "cached": "↺", "failed": "✗"}
_COLOURS = {"running": "cyan", "done": "green", "cached": "blue", "failed": "red"}


@dataclass
class Line:
    """One stage as it is shown."""

    name: str
    state: str
    started: float = field(default_factory=time.monotonic)
    seconds: float | None = None
    note: str = ""


class Display:
    """One live line a stage on a terminal; elsewhere a line when a stage begins or ends. Stages that did not change
    are counted, not shown.
    """

    def __init__(self, console: Console, events: Path) -> None:
        self.console = console
        self.events = events
        self.offset = 0
        self.lines: dict[str, Line] = {}
        self.unchanged = 0
        self.refused: list[Diagnostic] = []
        self.warned: list[Diagnostic] = []

    def hear(self, event: dvc.Event, name: str) -> None:
        if name == GUARD and event != "failed":
            return
        if event == "failed":
            self._end(self.lines.setdefault(name, Line(name, "failed")), "failed")
            return
        self._finish()
        if event == "unchanged":
            self.unchanged += 1
        else:
            self.lines[name] = Line(name, event)
            if event == "running" and not self.console.is_terminal:
                self.console.print(f"▸ {name}")

    def tick(self) -> None:
        """Read what the running stage has told since the last tick."""
        if not self.events.is_file():
            return
        with self.events.open(encoding="utf-8") as told:
            told.seek(self.offset)
            for line in told:
                if line.endswith("\n"):
                    self.offset += len(line.encode())
                    self._take(json.loads(line))

    def close(self, failed: bool) -> None:
        self.tick()
        if not failed:
            self._finish()

    def __rich__(self) -> RenderableType:
        return Group(*(self._shown(line) for line in self.lines.values()))

    def _take(self, event: dict[str, Any]) -> None:
        line = self.lines.get(event["stage"])
        if event.get("event") == "refused":
            self.refused += [_diagnostic(d) for d in event["diagnostics"]]
        elif event.get("event") == "warned":
            self.warned += [_diagnostic(d) for d in event["diagnostics"]]
        elif line and "done" in event:
            of = f"/{event['total']}" if event["total"] else ""
            line.note = f"{event['done']}{of}  {event['note']}"

    def _finish(self) -> None:
        """DVC runs one stage after another: word of the next means that the last one is done."""
        for line in self.lines.values():
            if line.state == "running":
                self._end(line, "done")
            elif line.state == "cached" and line.seconds is None:
                self._end(line, "cached")

    def _end(self, line: Line, state: str) -> None:
        line.state, line.seconds = state, time.monotonic() - line.started
        if not self.console.is_terminal:
            self.console.print(self._shown(line))

    def _shown(self, line: Line) -> Text:
        seconds = line.seconds if line.seconds is not None else time.monotonic() - line.started
        text = Text(f"{_MARKS[line.state]} ", style=_COLOURS[line.state]).append(f"{line.name:<44}", style="default")
        text.append(f"{seconds:7.1f} s" if line.state != "cached" else "  cached ", style="dim")
        return text.append(f"  {line.note}" if line.state == "running" else "", style="dim")


def require_local(task: Task) -> None:
    """Raises T412 for a build that is to run elsewhere: this version runs stages on this machine."""
    if task.execution.type != "local":
        where = f"{task.execution.type} {task.execution.host or ''}".strip()
        help = "build here with `tunec build execution.type=local`, or copy the workspace there and build it there"
        raise fail("T412", f"this version cannot build on another machine ({where})", help=help)


def report_to(root: Path, trackers: Sequence[str]) -> None:
    """Let stages know who is told of training steps: DVC was started before the task was compiled."""
    file = root / REPORT_TO
    file.unlink(missing_ok=True)
    if trackers:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(trackers) + "\n", encoding="utf-8")


def build(waiting: dvc.Waiting, root: Path, targets: list[str], console: Console) -> bool:
    """Run the graph (or what `targets` need); returns whether any stage ran or was restored.

    Raises UserError when a stage refuses; T405 when DVC fails otherwise.
    """
    dvc.require_workspace(root)
    (root / LOG).parent.mkdir(parents=True, exist_ok=True)
    (root / EVENTS).unlink(missing_ok=True)
    display = Display(console, root / EVENTS)
    with Live(display, console=console, refresh_per_second=5) if console.is_terminal else nullcontext():
        code = dvc.repro(waiting, targets, root / LOG, display.hear, display.tick)
        display.close(failed=code != 0)
    show(display.warned)
    if code:
        raise UserError(*display.refused) if display.refused else _failed(root)
    if display.unchanged:
        console.print(f"{display.unchanged} stages unchanged", style="dim")
    return bool(display.lines)


def _diagnostic(told: dict[str, Any]) -> Diagnostic:
    span = Span(**told["span"]) if told["span"] else None
    return Diagnostic(**{**told, "span": span, "notes": tuple(told["notes"])})


def _failed(root: Path) -> UserError:
    """DVC's own words, where no stage said why."""
    lines = (root / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    killed = next((line for line in lines if line.startswith("ERROR") and _KILLED.search(line)), None)
    if killed:  # by the system itself, before the stage could say a word
        help = "close other programs, or choose a smaller base model, batch or max_length; then build again"
        return fail(
            "T661", "the system killed a stage, most likely because the memory was full", notes=(killed,), help=help
        )
    if any("Unable to acquire lock" in line for line in lines):
        return fail("T406", "another build runs in this workspace", help="wait for it, or stop it")
    notes = tuple(line for line in lines if line.startswith("ERROR"))[-3:] or tuple(lines[-3:])
    return fail("T405", "the build stopped", notes=notes, help=f"{LOG} holds everything that was printed")
