"""What options a baseline takes: true, or a mapping of known keys with values in range."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Takes = Callable[[Any], str | None]  # why a value is refused; None where it is taken


def whole(least: int, most: int) -> Takes:
    def refused(value: Any) -> str | None:
        fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return None if fits else f"a whole number from {least} to {most}"

    return refused


def text(value: Any) -> str | None:
    return None if isinstance(value, str) and value.strip() and len(value) <= 500 else "a text"


def path(value: Any) -> str | None:
    """A path below the workspace."""
    said = text(value)
    outside = not said and (value.startswith(("/", "~")) or ".." in value.replace("\\", "/").split("/") or ":" in value)
    return said or ("a path below the workspace" if outside else None)


def taking(**known: Takes) -> Callable[[Any, Sequence[str]], str | None]:
    """`allowed` of a baseline that takes true, or a mapping of these options."""

    def allowed(options: Any, fields: Sequence[str]) -> str | None:
        if options is True:
            return None
        if not isinstance(options, Mapping):
            return f"it takes true, or a mapping of {', '.join(known)}"
        for name, value in options.items():
            if name not in known:
                return f"it has no option `{name}`; there are {', '.join(known)}"
            if wanted := known[name](value):
                return f"its option `{name}` is {wanted}"
        return None

    return allowed


def option(options: Any, name: str, default: Any) -> Any:
    return options.get(name, default) if isinstance(options, Mapping) else default
