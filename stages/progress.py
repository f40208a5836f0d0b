"""How far a stage is, and what it warns of. Stages tell; the runner decides who hears it, and without a runner nobody
does.
"""

from __future__ import annotations

from collections.abc import Callable

from stages.diagnostics import Diagnostic

Listener = Callable[[int, int | None, str], None]
Heeder = Callable[[Diagnostic], None]


def _nobody(done: int, total: int | None, note: str) -> None: ...


_listener: Listener = _nobody
_heeder: Heeder | None = None


def listen(listener: Listener) -> None:
    """Let `listener(done, total, note)` hear everything that is told from now on."""
    global _listener
    _listener = listener


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
