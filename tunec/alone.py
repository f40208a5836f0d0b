"""One build in a workspace at a time: it writes the compiled files, and logs that are its own."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

ALONE = Path("build", "logs", "build.lock")
_PAUSES = (0.01, 0.05)  # seconds between looks at a lock that is held
_held: set[Path] = set()  # the workspaces that this process has to itself


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Raises T406 where another build is on its way. Whoever is alone may ask again. The system frees the lock of a
    process that was killed.
    """
    if (place := root.resolve()) in _held:
        yield
        return
    (root / ALONE).parent.mkdir(parents=True, exist_ok=True)
    with (root / ALONE).open("a+") as lock:
        if not _taken_by_us(lock):
            from stages.diagnostics import fail

            lock.seek(0)
            who = f"process {pid}" if (pid := lock.read(20).strip()) else "another process"
            help = "wait for it, or stop it; `tunec plan` can be asked meanwhile"
            raise fail("T406", f"a build runs in this workspace already ({who})", help=help)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        _held.add(place)
        try:
            yield
        finally:
            _held.discard(place)


def _taken_by_us(lock: TextIO) -> bool:
    """Tried more than once: whoever asks `is_taken` holds it for a moment."""
    for pause in (*_PAUSES, 0.0):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(pause)
        else:
            return True
    return False


def is_taken(root: Path) -> bool:
    """Whether a build is on its way here."""
    try:
        with (root / ALONE).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
