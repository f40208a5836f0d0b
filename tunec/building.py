"""`tunec build`: compile, let DVC run the graph, show each stage as it goes, end with what was measured."""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from compiler.plan import Plan
from stages.diagnostics import Diagnostic, Span, UserError, fail
from stages.runner import REPORT_TO
from tunec import dvc, sealing, shown
from tunec.dvc import EVENTS, LOG
from tunec.executing import side_by_side
from tunec.executing.base import Slots
from tunec.executing.sizing import tasks
from tunec.start import show

ALONE = Path("build", "logs", "build.lock")
_KILLED = re.compile(r"exited with (137|-9)\b")
_MARKS = {"running": "▸", "done": "✓", "cached": "↺", "failed": "✗"}
_WIDE = 100  # columns of a terminal
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
    """On a terminal a live line for each stage that runs, and above them a line for each that has ended; elsewhere a
    line when a stage begins or ends. Stages that did not change are counted, not shown.
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
        """Read what the running stages have told since the last tick."""
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
            self.refused += [_diagnostic(d) for d in event["diagnostics"]]
        elif event.get("event") == "warned":
            self.warned += [_diagnostic(d) for d in event["diagnostics"]]
        elif line and "done" in event:
            of = f"/{event['total']}" if event["total"] else ""
            line.note = f"{event['done']}{of}  {event['note']}"

    def _end(self, line: Line, state: str) -> None:
        line.state, line.seconds = state, time.monotonic() - line.started
        self.console.print(self.line(line))

    def line(self, line: Line) -> Text:
        seconds = line.seconds if line.seconds is not None else time.monotonic() - line.started
        narrow = self.console.is_terminal and self.console.width < _WIDE  # then the note needs the room
        text = Text(f"{_MARKS[line.state]} ", _COLOURS[line.state], no_wrap=True, overflow="ellipsis")
        text.append(f"{line.name:<{32 if narrow else 44}}", style="default")
        text.append(f"{seconds:7.1f} s" if line.state != "cached" else "  cached ", style="dim")
        return text.append(f"  {line.note}" if line.state == "running" else "", style="dim")


def report_to(root: Path, trackers: Sequence[str]) -> None:
    """Let stages know who is told of training steps: DVC was started before the task was compiled."""
    file = root / REPORT_TO
    file.unlink(missing_ok=True)
    if trackers:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(trackers) + "\n", encoding="utf-8")


def build(waiting: dvc.Waiting, root: Path, targets: list[str], console: Console, *, pull: bool = False) -> bool:
    """Run the graph (or what `targets` need); returns whether any stage ran or was restored. pull: what the remote has
    is taken from there instead of being built.

    Raises UserError when a stage refuses; T405 when DVC fails otherwise.
    """
    with _shown(root, console) as display:
        wanted = ["--pull", *targets] if pull else targets
        sealed = not wanted and sealing.intact(root)
        code = dvc.repro(waiting, wanted, root / LOG, display.hear, display.tick, sealed=sealed)
    if code:
        raise UserError(*display.refused) if display.refused else _failed(root)
    return _told(display, 0)


def build_side_by_side(
    root: Path,
    plan: Plan,
    targets: list[str],
    console: Console,
    slots: Slots,
    seconds: float | None = None,
    *,
    pull: bool = False,
) -> bool:
    """As `build`, with independent stages side by side. seconds: what it may take; pull: as there.

    Raises UserError with what each failed stage said, and T503 that names them; T504 when the time is up.
    """
    with _shown(root, console) as display:
        try:
            options = ("--pull",) if pull else ()
            hear, tick = display.hear, display.tick
            ended = side_by_side.run(root, tasks(root, plan), targets, slots, hear, tick, seconds, options)
        except UserError:
            display.tick()
            if display.refused:  # the guard's own words say more than DVC's
                raise UserError(*display.refused) from None
            raise
    any_ran = _told(display, ended.unchanged)
    if ended.failed:
        raise UserError(*dict.fromkeys(display.refused), _some_failed(ended))
    if ended.left:
        help = "run it again: what is finished stays finished"
        notes = (f"left: {shown.names(ended.left)}",)
        raise fail("T504", f"the budget is spent, and {len(ended.left)} stages are left", notes=notes, help=help)
    return any_ran


def _some_failed(ended: side_by_side.Ended) -> Diagnostic:
    notes = [f"{name}: build/logs/{name}.log; {last[-1] if last else ''}"[:300] for name, last in ended.failed.items()]
    if ended.missed:
        notes.append(f"not reached: {shown.names(ended.missed)}")
    many = "1 stage failed" if len(ended.failed) == 1 else f"{len(ended.failed)} stages failed"
    help = "mend what failed and build again: what is finished stays finished"
    return Diagnostic("T503", f"{many}: {shown.names(ended.failed)}", None, tuple(notes), help)


@contextmanager
def _shown(root: Path, console: Console) -> Iterator[Display]:
    """A display of what the stages in `root` tell while the block runs."""
    dvc.require_workspace(root)
    (root / LOG).parent.mkdir(parents=True, exist_ok=True)
    with _alone(root):
        (root / EVENTS).unlink(missing_ok=True)
        if dvc.mend_lock(root):
            console.print("dvc.lock was cut off; what it told is taken from DVC's run cache", style="yellow")
        display = Display(console, root / EVENTS)
        with Live(display, console=console, refresh_per_second=5) if console.is_terminal else nullcontext():
            yield display
            display.tick()


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Raises T406 where another build is on its way: it writes the same logs. The system frees the lock of a process
    that was killed.
    """
    with (root / ALONE).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            who = f"process {pid}" if (pid := lock.read(20).strip()) else "another process"
            help = "wait for it, or stop it"
            raise fail("T406", f"a build runs in this workspace already ({who})", help=help) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _told(display: Display, unchanged: int) -> bool:
    show(display.warned)
    if many := display.unchanged + unchanged:
        display.console.print(f"{many} stages unchanged", style="dim")
    return bool(display.lines)


def _diagnostic(told: dict[str, Any]) -> Diagnostic:
    span = Span(**told["span"]) if told["span"] else None
    return Diagnostic(**{**told, "span": span, "notes": tuple(told["notes"])})


def _failed(root: Path) -> UserError:
    """DVC's own words, where no stage said why."""
    lines = (root / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    notes = tuple(line for line in lines if line.startswith("ERROR"))[-3:] or tuple(lines[-3:])
    killed = next((line for line in lines if line.startswith("ERROR") and _KILLED.search(line)), None)
    if killed:  # by the system itself, before the stage could say a word
        help = "close other programs, or choose a smaller base model, batch or max_length; then build again"
        return fail(
            "T661", "the system killed a stage, most likely because the memory was full", notes=(killed,), help=help
        )
    if any("No space left on device" in line for line in lines):  # while DVC put something into its cache
        help = "free some space and build again; what is finished stays finished"
        return fail("T380", "the disk is full", notes=notes, help=help)
    if any(map(dvc.keeps_out, lines)):
        return dvc.busy()
    return fail("T405", "the build stopped", notes=notes, help=f"{LOG} holds everything that was printed")
