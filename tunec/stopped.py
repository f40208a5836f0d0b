"""A build that did not come to its end, or has not yet: by what its stages told, which stays until the next one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages import history
from stages.diagnostics import Diagnostic, UserError, fail
from tunec import shown
from tunec.alone import is_taken
from tunec.dvc import EVENTS, LOG


def warning(root: Path) -> Diagnostic | None:
    """That the build which began last ended at a stage, or is there still, so that its report is not written."""
    stopped = _stopped(root)
    if not stopped:
        return None
    where = f"at {shown.names(stopped)}"
    if is_taken(root):
        message, help = f"a build is on its way, {where}; this is the build before it", "wait for it, then ask again"
        return Diagnostic("T682", message, None, (), help, "warning")
    message, notes = f"the last build stopped {where}; this is the build before it", _notes(stopped)
    return Diagnostic("T682", message, None, notes, _help(notes), "warning")


def nothing_built(root: Path, run: str = "tunec build") -> UserError:
    """T407: with the stage that stopped the one build that there was. run: the command that would build it."""
    stopped = _stopped(root)
    if not stopped:
        return fail("T407", "nothing has been built here yet", help=f"run `{run}`")
    where, notes = f"at {shown.names(stopped)}", _notes(stopped)
    if is_taken(root):
        return fail("T407", f"the first build is on its way, {where}", help="wait for it, then ask again")
    return fail(
        "T407", f"no build has come to its end here: the last one stopped {where}", notes=notes, help=_help(notes)
    )


def _notes(stopped: dict[str, list[Any]]) -> tuple[str, ...]:
    """What the stages said: nothing, where they were killed."""
    return tuple(
        f"{stage}: {said['message']} ({said['code']})" for stage, refused in stopped.items() for said in refused[:1]
    )


def _help(notes: tuple[str, ...]) -> str:
    return ("mend that, then run" if notes else "run") + f" `tunec build`; {LOG} holds all that it printed"


def _stopped(root: Path) -> dict[str, list[Any]]:
    """Stage -> what it refused with, of the stages that began in the last build and have not ended since."""
    begun: dict[str, list[Any]] = {}
    for told in _events(root):
        stage, event = str(told.get("stage")), told.get("event")
        if event == "start":
            begun[stage] = []
        elif event == "refused":
            begun.setdefault(stage, []).extend(told["diagnostics"])
        elif event == "ended":
            begun.pop(stage, None)
    return {stage: said for stage, said in begun.items() if not _ended_since(root, stage)}


def _events(root: Path) -> Iterator[dict[str, Any]]:
    try:
        text = (root / EVENTS).read_text(encoding="utf-8", errors="replace")  # a line may end within a letter
    except OSError:
        return
    for line in text.split("\n"):
        try:
            told = json.loads(line)
        except ValueError:  # half a line of a stage that was killed
            continue
        yield told


def _ended_since(root: Path, stage: str) -> bool:
    """Whether a bare `dvc repro`, which tells no build of it, has run the stage to its end."""
    try:
        ran = (root / history.FOLDER / f"{stage}.json").stat().st_mtime_ns
        return ran > (root / EVENTS).stat().st_mtime_ns
    except OSError:
        return False
