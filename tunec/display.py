"""What a person sees of a build that runs."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.text import Text

from stages.diagnostics import Diagnostic, spoken
from tunec import dvc, shown
from tunec.placing import placed

_MARKS = {"running": "▸", "done": "✓", "cached": "↺", "failed": "✗"}
_WIDE = 100  # columns of a terminal
EVERY = 30.0  # seconds from one line of a stage to the next, where what is printed goes to a file or a pipe
_COLOURS = {"running": "cyan", "done": "green", "cached": "blue", "failed": "red"}


@dataclass
class Count:
    """How far a stage says that it is. begun: how many were done when it was first heard of, and when that was."""

    done: int = 0
    total: int | None = None
    begun: tuple[int, float] = (0, 0.0)

    def to(self, done: int, total: int | None, note: str, now: float) -> str:
        """Take what a stage tells, and give it in words: `210/500  rows answered · 4.2/s · 1 min 9 s left`."""
        if total != self.total or done < self.done:
            self.begun = (done, now)
        self.done, self.total = done, total
        of = f"/{total}" if total else ""
        counted = f"{done}{of}  " if of or done else ""
        return counted + " · ".join([note, *([] if note.endswith(" left") else self._pace(now))])

    def _pace(self, now: float) -> list[str]:
        """How fast it goes on, and how long that takes. A training's own words end with that: there it is not asked."""
        done, seconds = self.done - self.begun[0], now - self.begun[1]
        if not self.total or not done or not seconds:
            return []
        rate = done / seconds
        speed = f"{rate:.1f}/s" if rate >= 1 else f"{shown.duration(1 / rate)} each"
        left = self.total - self.done
        return [speed, f"{shown.duration(left / rate)} left"] if left > 0 else [speed]


@dataclass
class Line:
    """One stage as it is shown. printed: when there was last a line of it, where lines stay."""

    name: str
    state: str
    started: float = field(default_factory=time.monotonic)
    seconds: float | None = None
    note: str = ""
    count: Count = field(default_factory=Count)
    printed: float = field(default_factory=time.monotonic)


class Display:
    """On a terminal a live line for each stage that runs, and above them a line for each that has ended; elsewhere a
    line when a stage begins or ends, and now and then between. Stages that did not change are counted, not shown.

    events: where stages tell. In a file that is not a build's they tell of beginning and end, too; else `hear` is
    told.
    """

    def __init__(self, console: Console, root: Path, events: Path = dvc.EVENTS) -> None:
        self.console, self.root = console, root
        self.events = root / events
        self.by_events = events != dvc.EVENTS
        self.offset = 0
        self.lines: dict[str, Line] = {}
        self.unchanged = 0
        self.refused: list[Diagnostic] = []
        self.warned: list[Diagnostic] = []

    def hear(self, event: dvc.Event, name: str) -> None:
        if name == dvc.GUARD_STAGE and event != "failed":
            return
        if event == "unchanged":
            self.unchanged += 1
        elif event == "failed":
            self._end(self.lines.setdefault(name, Line(name, "failed")), "failed")
        elif event == "done":
            line = self.lines.get(name)
            if line and line.seconds is None:
                self._end(line, "done" if line.state == "running" else line.state)
        else:
            self.lines[name] = Line(name, event)
            if event == "running" and not self.console.is_terminal:
                self.console.print(f"▸ {name}")

    def tick(self) -> None:
        """Take what the running stages have told since the last tick; in a log, show those that take long."""
        self._read()
        if self.console.is_terminal:
            return
        now = time.monotonic()
        for line in self.lines.values():
            if line.state == "running" and line.seconds is None and now - line.printed >= EVERY:
                line.printed = now
                self.console.print(self.line(line))

    def _read(self) -> None:
        if not self.events.is_file():
            return
        with self.events.open(encoding="utf-8") as told:
            told.seek(self.offset)
            for line in told:
                if line.endswith("\n"):
                    self.offset += len(line.encode())
                    self._take(line)

    def __rich__(self) -> RenderableType:
        return Group(*(self.line(line) for line in self.lines.values() if line.seconds is None))

    def _take(self, told: str) -> None:
        try:
            event = json.loads(told)
        except ValueError:  # half a line of a stage that was killed
            return
        line = self.lines.get(event["stage"])
        if event.get("event") == "refused":
            self.refused += [placed(spoken(d), self.root) for d in event["diagnostics"]]
        elif event.get("event") == "warned":
            self.warned += [placed(spoken(d), self.root) for d in event["diagnostics"]]
        elif self.by_events and event.get("event") in ("start", "ended"):
            self.hear("running" if event["event"] == "start" else "done", event["stage"])
        elif line and "done" in event:
            line.note = line.count.to(event["done"], event["total"], event["note"], time.monotonic())

    def _end(self, line: Line, state: str) -> None:
        line.state, line.seconds = state, time.monotonic() - line.started
        self.console.print(self.line(line))

    def line(self, line: Line) -> Text:
        seconds = line.seconds if line.seconds is not None else time.monotonic() - line.started
        narrow = self.console.is_terminal and self.console.width < _WIDE  # then the note needs the room
        text = Text(f"{_MARKS[line.state]} ", _COLOURS[line.state], no_wrap=True)
        text.overflow = "ellipsis" if self.console.is_terminal else "ignore"
        text.append(f"{line.name:<{32 if narrow else 44}}", style="default")
        text.append(f"{seconds:7.1f} s" if line.state != "cached" else "  cached ", style="dim")
        return text.append(f"  {line.note}" if line.note and line.state == "running" else "", style="dim")
