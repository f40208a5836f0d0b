"""When a stage is to end: with the build that started it, and with all that it started itself."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import psutil  # here, not in a thread: a process that ends while a thread of it loads C code can crash


def die_with_parents(first: Callable[[], object] = lambda: None) -> None:
    """From now on, end this process and its children when the shell or the `dvc repro` above it is gone.

    kill -9 of a build leaves its stage running, which would then write into a build that nobody waits for.
    first: what is to be done before, such as telling another machine.
    """
    above = psutil.Process().parents()[:2]

    def watch() -> None:
        try:
            while all(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in above):
                time.sleep(1)
        except psutil.NoSuchProcess:  # gone between the two questions
            pass
        with suppress(Exception):
            first()
        end_with_children()

    threading.Thread(target=watch, daemon=True).start()


def end_with_children() -> None:
    """End this process at once, and whatever it started."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()
    os._exit(143)
