"""`tunec build`: compile, let DVC run the graph, show each stage as it goes, end with what was measured."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from rich.console import Console
from rich.live import Live

from compiler.plan import Plan
from stages.counting import counted
from stages.diagnostics import Diagnostic, UserError, fail
from stages.runner import REPORT_TO
from tunec import dvc, dvc_lock, sealing, shown
from tunec.alone import alone
from tunec.display import Display
from tunec.dvc import EVENTS, LOG
from tunec.executing import side_by_side
from tunec.executing.base import Slots
from tunec.executing.sizing import tasks
from tunec.showing import show

_KILLED = re.compile(r"exited with (137|-9)\b")


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
        message = f"the budget is spent, and {counted(len(ended.left), 'stage', 'is', 'are')} left"
        raise fail("T504", message, notes=notes, help=help)
    return any_ran


def _some_failed(ended: side_by_side.Ended) -> Diagnostic:
    notes = [f"{name}: build/logs/{name}.log; {last[-1] if last else ''}"[:300] for name, last in ended.failed.items()]
    if ended.missed:
        notes.append(f"not reached: {shown.names(ended.missed)}")
    help = "mend what failed and build again: what is finished stays finished"
    return Diagnostic(
        "T503", f"{counted(len(ended.failed), 'stage')} failed: {shown.names(ended.failed)}", None, tuple(notes), help
    )


@contextmanager
def _shown(root: Path, console: Console) -> Iterator[Display]:
    """A display of what the stages in `root` tell while the block runs."""
    dvc.require_workspace(root)
    with alone(root):
        (root / EVENTS).unlink(missing_ok=True)
        if dvc_lock.mend(root):
            console.print("dvc.lock was cut off; what it told is taken from DVC's run cache", style="yellow")
        display = Display(console, root)
        with Live(display, console=console, refresh_per_second=5) if console.is_terminal else nullcontext():
            yield display
            display.tick()


def _told(display: Display, unchanged: int) -> bool:
    show(display.warned)
    if many := display.unchanged + unchanged:
        display.console.print(f"{counted(many, 'stage')} unchanged", style="dim")
    return bool(display.lines)


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
