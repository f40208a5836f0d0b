"""Values, places and times as a person writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a plan that finds nothing to do shows times alone, and waits for nothing else
    from stages.diagnostics import Span

_LONGEST = 60
_WORD = re.compile(r"[\w./@-]+")


def value(given: Any) -> str:
    """A value of task.yaml: `2e-4`, `true`, `[q8_0, q4_k_m]`; None is `nothing`."""
    from stages.wording import tame

    text = tame(_text(given))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def number(given: float) -> str:
    """Whole ones without a point, small ones with an exponent: 3, 0.5, 2e-4."""
    if given == int(given) and abs(given) < 1e15:
        return str(int(given))
    if abs(given) >= 0.01:
        return repr(given)
    digits, _, exponent = f"{given:.10e}".partition("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"


def place(span: Span) -> str:
    """`task.yaml:31`; of an override, that it is one."""
    from compiler.resolve import COMMAND_LINE

    return span.file if span.file == COMMAND_LINE else f"{span.file}:{span.line}"


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `4 min 10 s`, `2 h 5 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def names(given: Iterable[str], most: int = 6) -> str:
    """`a, b, c and 15 more`."""
    every = list(given)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def _text(given: Any) -> str:
    match given:
        case None:
            return "nothing"
        case bool():
            return "true" if given else "false"
        case float():
            return number(given)
        case str():
            return given if _WORD.fullmatch(given) else json.dumps(given, ensure_ascii=False)
        case list() | tuple():
            return f"[{', '.join(map(_text, given))}]"
        case dict():
            return f"{{{', '.join(f'{key}: {_text(inner)}' for key, inner in given.items())}}}"
        case _:
            return str(given)
