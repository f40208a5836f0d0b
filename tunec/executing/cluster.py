"""What jobs of a cluster have in common, whichever one it is."""

from __future__ import annotations

import importlib.util
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from stages.diagnostics import fail
from stages.ending import die_with_parents
from tunec.executing import tether
from tunec.executing.parcel import died


def require(library: str, extra: str) -> None:
    """Raises T543 when the library that this type needs is not installed."""
    if importlib.util.find_spec(library) is None:
        help = f"pip install 'tunec[{extra}]'"
        raise fail("T543", f"`execution.type: {extra}` needs {library}, which is not installed", help=help)


def ended(stage: str, code: int) -> int:
    """The command's exit code out of the job's. Raises T538 when the stage was killed, T542 when its node sees another
    folder, T541 when the job took us for gone.
    """
    if code == tether.UNSEEN:
        help = "keep the workspace on a file system that every node mounts at the same place"
        raise fail("T542", "the node that ran the job does not see this workspace", help=help)
    if code == tether.STOPPED:
        help = "build again; look whether the shared folder hung"
        raise fail("T541", f"the job of {stage} heard nothing from here, and ended", help=help)
    if code < 0:
        raise died(stage, code)
    return code


def end_with_parents(cancel: Callable[[], object]) -> None:
    """From now on: when the build above is gone, cancel what it waits for and end. So does a plain `kill`."""
    die_with_parents(cancel)
    with suppress(ValueError):  # only a main thread hears signals
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(tether.STOPPED))
