"""How far a stage is, and what it warns of. Stages tell; the runner decides who hears it, and without a runner nobody
does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stages.diagnostics import Diagnostic

ANSWERED = "rows answered"  # what engines tell, once a row
READY = "ready to answer"  # what is told once all is loaded and learnt, where that is no part of answering
EVENTS_TO = "TUNEC_EVENTS"  # names the file that a build reads how far its stages are from
Listener = Callable[[int, int | None, str], None]
Heeder = Callable[[Any], None]


def _nobody(done: int, total: int | None, note: str) -> None: ...


_listener: Listener = _nobody
_heeder: Heeder | None = None


def listen(listener: Listener) -> None:
    """Let `listener(done, total, note)` hear everything that is told from now on."""
    global _listener
    _listener = listener


@contextmanager
def overheard(listener: Listener) -> Iterator[None]:
    """Let `listener` hear it too while the block runs."""
    first = _listener

    def both(done: int, total: int | None, note: str) -> None:
        listener(done, total, note)
        first(done, total, note)

    listen(both)
    try:
        yield
    finally:
        listen(first)


@contextmanager
def part_of(before: int, total: int) -> Iterator[None]:
    """What the block tells is a part of `total`, of which `before` are done."""
    first = _listener
    listen(lambda done, _, note: first(before + done, total, note))
    try:
        yield
    finally:
        listen(first)


def tell(done: int, total: int | None = None, note: str = "") -> None:
    _listener(done, total, note)


def heed(heeder: Heeder) -> None:
    """Let `heeder(diagnostic)` hear every warning from now on."""
    global _heeder
    _heeder = heeder


def warn(found: Diagnostic) -> None:
    """What a person should know of, and what stops nothing."""
    if _heeder:
        _heeder(found)
