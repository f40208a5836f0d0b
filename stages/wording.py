"""A Diagnostic as text for a terminal.

error[T010]: unknown metric `f1_marco`
 --> task.yaml:7:13
  |
7 |   primary_metric: f1_marco
  |                   ^^^^^^^^
  = note: metrics of classification: accuracy, macro_f1, weighted_f1
  = help: did you mean `macro_f1`?
"""

from __future__ import annotations

import re
from collections.abc import Callable

from stages.diagnostics import Diagnostic, Span

_LONGEST = 1_000  # characters of a line that is shown
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def render(found: Diagnostic, line_of: Callable[[Span], str | None] = lambda span: None) -> str:
    """`line_of` gives the text of a span's line, or None where it cannot be shown."""
    shown = [f"{found.severity}[{found.code}]: {found.message}"]
    pad = 1
    if found.span:
        pad = len(str(found.span.line))
        shown += _excerpt(found.span, line_of(found.span), pad)
    shown += [f"{' ' * pad} = note: {note}" for note in found.notes]
    if found.help:
        shown.append(f"{' ' * pad} = help: {found.help}")
    return "\n".join(tame(line if len(line) <= _LONGEST else line[:_LONGEST] + "…") for line in shown)


def tame(text: str) -> str:
    """No terminal escapes and no text that runs backwards: what came out of a file is shown, never obeyed."""
    return _CONTROL.sub("\ufffd", text)


def _excerpt(span: Span, line: str | None, pad: int) -> list[str]:
    where = f"{' ' * pad}--> {span.file}:{span.line}:{span.column}"
    if line is None:
        return [where]
    line = line.replace("\t", " ")
    start = max(0, span.column - 60) if len(line) > 160 else 0
    bar = f"{' ' * pad} |"
    caret = " " * (span.column - 1 - start) + "^" * max(1, min(span.length, len(line) - span.column + 1, 100))
    return [where, bar, f"{span.line} | {line[start : start + 160]}", f"{bar} {caret}"]
