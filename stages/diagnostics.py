"""What is told when something is wrong: the same shape for the compiler, the face and the stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

Severity = Literal["error", "warning"]


class Span(NamedTuple):
    """A place in a text file. Lines and columns count from 1; `length` is in characters."""

    file: str
    line: int
    column: int = 1
    length: int = 1


class Diagnostic(NamedTuple):
    """One thing that is wrong, why, and how to mend it. The same shape for the compiler and for the stages.

    key: of a stage's, the key of task.yaml that it is about; where that stands, the face finds (tunec/placing.py).
    """

    code: str
    message: str
    span: Span | None = None
    notes: tuple[str, ...] = ()
    help: str | None = None
    severity: Severity = "error"
    key: str | None = None

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        named = {name: value for name, value in self._asdict().items() if name != "key" or value}
        return named | {"span": self.span and self.span._asdict()}


def spoken(told: Mapping[str, Any]) -> Diagnostic:
    """What `plain` made JSON of, in another process."""
    span = Span(**told["span"]) if told["span"] else None
    return Diagnostic(**{**told, "span": span, "notes": tuple(told["notes"])})


class UserError(Exception):
    """A mistake that the user can mend. It ends a command with exit code 1 and never with a traceback."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("; ".join(d.message for d in diagnostics))
        self.diagnostics = diagnostics

    def __reduce__(self) -> tuple[type[UserError], tuple[Diagnostic, ...]]:
        return type(self), self.diagnostics


@contextmanager
def about(key: str) -> Iterator[None]:
    """What is refused inside is about this key, unless it says of what."""
    try:
        yield
    except UserError as error:
        found = (d if d.key or d.span else d._replace(key=key) for d in error.diagnostics)
        raise UserError(*found) from error


def fail(
    code: str,
    message: str,
    *,
    help: str,
    notes: tuple[str, ...] = (),
    file: str | None = None,
    line: int = 1,
    key: str | None = None,
) -> UserError:
    """The one-line way for a stage to refuse: `raise fail("T302", "...", help="...")`."""
    span = Span(file, line) if file else None
    return UserError(Diagnostic(code, message, span, notes, help, key=key))
