"""How far a stage is. Stages tell; the runner decides who hears it, and without a runner nobody does."""

from __future__ import annotations

from collections.abc import Callable

Listener = Callable[[int, int | None, str], None]


def _nobody(done: int, total: int | None, note: str) -> None: ...


_listener: Listener = _nobody


def listen(listener: Listener) -> None:
    """Let `listener(done, total, note)` hear everything that is told from now on."""
    global _listener
    _listener = listener


def tell(done: int, total: int | None = None, note: str = "") -> None:
    _listener(done, total, note)
