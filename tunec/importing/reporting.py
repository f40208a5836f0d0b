"""What an import did, key by key, and what has to be done before `tunec build`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from compiler import compile_task
from compiler.parse import ParseError
from stages.counting import counted
from stages.diagnostics import Diagnostic, UserError
from stages.wording import tame
from tunec.importing.draft import Draft
from tunec.importing.ledger import Entry, Kind, Ledger
from tunec.importing.targets import ADAPTER, BASE_MODEL, METHOD
from tunec.importing.writing import flow
from tunec.workspace import Disk

_TITLES: dict[Kind, str] = {
    "decided": "not translated, because tunec decides it",
    "cannot": "not translated, because tunec cannot do it, or you have to",
    "unknown": "not translated, because we do not know it",
    "idle": "without effect in the file",
}
# What stands in the way of further checks, and what takes it out of the way.
_PAST = ((BASE_MODEL, f"tunec/imported@{'0' * 40}"), (METHOD, "sft"), (ADAPTER, "lora"))
_WIDEST = 80  # characters of a key and its value


def report(draft: Draft, ledgers: Sequence[Ledger], expected: Sequence[Diagnostic], source: str, out: str) -> str:
    """The whole report, ending with a line break."""
    entries = [entry for ledger in ledgers for entry in ledger.entries]
    blocks = [[f"{out} is written out of {source}: {_counts(entries)}"]]
    blocks.append(_titled("translated", [_line(e, f"-> {e.target}") for e in entries if e.kind is None]))
    for kind, title in _TITLES.items():
        blocks.append(_titled(title, list(_by_reason([e for e in entries if e.kind == kind]))))
    blocks.append(_titled("filled with what the other project does by default", [_said(*p) for p in _defaults(draft)]))
    blocks.append(_titled("to decide, marked in the file", [_said(*pair) for pair in _guesses(draft)]))
    blocks.append(_titled("to bring before a build", [f"  {note}" for note in draft.data_notes]))
    blocks.append(_titled(f"`tunec check {out}` will say", [line for d in expected for line in _foretold(d)]))
    return "\n\n".join("\n".join(map(_one_line, block)) for block in blocks if block) + "\n"


def foretell(text: str, out: Path) -> list[Diagnostic]:
    """What `tunec check` says of the written task, now and once its first complaints are mended."""
    found: list[Diagnostic] = []
    overrides: list[str] = []
    for key, value in (("", ""), *_PAST):
        overrides += [f"{key}={value}"] if key else []
        found += [one for one in _problems(text, out, overrides) if one not in found and _in_file(one, out)]
    return found


def _problems(text: str, out: Path, overrides: list[str]) -> Sequence[Diagnostic]:
    try:
        return compile_task(text, Disk(out.parent), file=out.name, overrides=overrides).warnings
    except (ParseError, UserError) as error:
        return error.diagnostics


def _in_file(found: Diagnostic, out: Path) -> bool:
    return found.span is None or found.span.file == out.name


def _counts(entries: list[Entry]) -> str:
    took, idle = (sum(entry.kind == kind for entry in entries) for kind in (None, "idle"))
    return f"{counted(took, 'key')} translated, {len(entries) - took - idle} not, {idle} without effect"


def _one_line(text: str) -> str:
    """What came out of a file begins no line of its own."""
    return tame(" ".join(text.splitlines()))


def _titled(title: str, lines: list[str]) -> list[str]:
    return [f"{title}:", *lines] if lines else []


def _by_reason(entries: list[Entry]) -> Iterator[str]:
    """Entries under the reason that they share, in the order of its first."""
    for why in dict.fromkeys(entry.why for entry in entries):
        yield f"  {why}"
        yield from (_line(entry, indent="    ") for entry in entries if entry.why == why)


def _line(entry: Entry, more: str = "", indent: str = "  ") -> str:
    shown = f"{entry.name}: {flow(entry.value)}".removesuffix(": null")
    if len(shown) > _WIDEST:
        many = len(entry.leaves)
        shown = f"{entry.name} (with {many} values)" if many > 1 else f"{shown[: _WIDEST - 1]}…"
    return f"{indent}{entry.span.file}:{entry.span.line} {shown} {more}".rstrip()


def _short(value: Any) -> str:
    text = flow(value)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _defaults(draft: Draft) -> Iterator[tuple[str, str]]:
    return ((target, _short(value.value)) for target, value in draft.ordered() if value.default)


def _guesses(draft: Draft) -> Iterator[tuple[str, str]]:
    return ((target, f"{_short(value.value)} ({value.guess})") for target, value in draft.ordered() if value.guess)


def _said(target: str, what: str) -> str:
    return f"  {target}: {what}"


def _foretold(found: Diagnostic) -> Iterator[str]:
    place = f"{found.span.file}:{found.span.line} " if found.span else ""
    yield f"  {found.code} {place}{found.message}"
    yield from (f"       {note}" for note in (*found.notes, found.help) if note)
