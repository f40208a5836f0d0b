"""The labelling sheet: a CSV with a line for each row that is wanted, for people to fill in with any spreadsheet.

    cluster,about,advice,like,text,answer
    1,"wrong label, refund → billing",Add rows at the border…,a train row to begin from,,

A line that says nothing is not done yet; one that lacks its input, its answer or a cluster of the round, or is no CSV,
is told. A cell that a spreadsheet would take for a formula stands behind a `'`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from stages.contract import Contract
from stages.diagnostics import UserError, fail
from stages.reading.delimited import commas, separator
from stages.reading.record import Record
from stages.rows import dumps
from stages.strict_json import strict_json

ANSWER = "answer"
_GUIDE = ("cluster", "about", "advice", "like")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "|", "%")


@dataclass(frozen=True)
class Columns:
    """fields: of the input. answers: of an answer that is a flat object, its properties; else none."""

    fields: tuple[str, ...]
    answers: tuple[str, ...]

    @property
    def given(self) -> list[str]:
        """The column of each field."""
        return [f"input.{name}" if name in _GUIDE or name == ANSWER else name for name in self.fields]

    @property
    def names(self) -> list[str]:
        return [*_GUIDE, *self.given, *([f"{ANSWER}.{name}" for name in self.answers] or [ANSWER])]


def columns(fields: Sequence[str], contract: Contract) -> Columns:
    schema = contract.schema_ or {}
    flat = contract.type == "json" and schema.get("type") == "object" and "properties" in schema
    return Columns(tuple(fields), contract.fields if flat else ())


def write(path: Path, of: Columns, lines: Sequence[Mapping[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8-sig", newline="") as file:  # the mark tells a spreadsheet that it is UTF-8
        table = csv.DictWriter(file, of.names, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows({name: _safe(text) for name, text in line.items()} for line in lines)


@dataclass(frozen=True)
class Filled:
    """A line of the sheet that says something. line: counted from 1, the header being the first. lacks: what keeps it
    from being a row; "" where nothing does.
    """

    line: int
    cluster: int
    input: Mapping[str, Any]
    output: Any
    lacks: str = ""


def digest(lines: Sequence[Filled]) -> str:
    """sha256 of what the lines say, however a spreadsheet wrote them."""
    return sha256(dumps([asdict(one) for one in lines]).encode()).hexdigest()


def digests(lines: Sequence[Filled]) -> tuple[str, ...]:
    """Of each line what it says, wherever in the sheet it stands."""
    return tuple(digest([replace(one, line=0)]) for one in lines)


def read(path: Path, of: Columns, contract: Contract, clusters: Sequence[int]) -> Iterator[Filled]:
    """The lines that say something. clusters: those of the round. Raises T867 for a file that is not the sheet any
    more.
    """
    lines = _text(path).split("\n")
    mark = separator(lines[0])
    header = _cells(lines[0], mark)
    missing = [name for name in of.names if name not in header]
    if missing:
        raise _broken(path, f"it has no column {missing[0]}", "write it into the first line, as it was")
    for record in _records(path):
        fields = record.fields
        if fields is None:
            text = lines[record.line - 1].rstrip("\r")
            fields = {} if not text.strip(mark + " ") else _shortened(text, header, mark)
        if fields is None:
            yield Filled(record.line, 0, {}, None, str(record.reason))
        elif found := _filled(record.line, fields, of, contract, clusters):
            yield found


def _text(path: Path) -> str:
    """Raises T867 for what is no UTF-8: a wrong guess of another encoding would train on it."""
    try:
        told = path.read_bytes()
    except OSError as error:
        raise _broken(path, f"it cannot be read: {error.strerror}", "put a file there that can be read") from None
    try:
        return told.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = told.count(b"\n", 0, error.start) + 1
        help = "save it as UTF-8; a spreadsheet calls that `CSV UTF-8`, or asks for the character set"
        raise _broken(path, f"line {line} is not UTF-8", help, line) from None


def _records(path: Path) -> Iterator[Record]:
    """Raises T867 where the header cannot be read."""
    try:
        yield from commas(path, "utf-8")
    except UserError as error:
        told = error.diagnostics[0]
        raise _broken(path, told.message, str(told.help)) from None


def _shortened(line: str, header: Sequence[str], mark: str) -> dict[str, str] | None:
    """A line from which a spreadsheet left out empty cells at the end; None for any other."""
    cells = _cells(line, mark)
    return dict(zip(header, cells, strict=False)) if 0 < len(cells) < len(header) else None


def _cells(line: str, mark: str) -> list[str]:
    """None of a line that is no CSV by itself."""
    try:
        return next(csv.reader([line], strict=True, delimiter=mark), [])
    except csv.Error:
        return []


def _filled(
    number: int, line: Mapping[str, str], of: Columns, contract: Contract, clusters: Sequence[int]
) -> Filled | None:
    cells = {name: _bare(line.get(name) or "") for name in of.names}
    given = {name: cells[column] for name, column in zip(of.fields, of.given, strict=True)}
    said = {name: cells[f"{ANSWER}.{name}"] for name in of.answers} if of.answers else cells[ANSWER]
    asked, answered = any(given.values()), any(said.values()) if isinstance(said, dict) else bool(said)
    if not asked and not answered:
        return None
    cluster = int(cells["cluster"]) if cells["cluster"].isdecimal() else 0
    lacks = "it has no input" if not asked else "it has no answer" if not answered else ""
    if not lacks and cluster not in clusters:
        lacks = f"there is no cluster {cells['cluster'][:20]!r}: the round has {', '.join(map(str, clusters))}"
    return Filled(number, cluster, given, _answer(said, contract), lacks)


def _answer(said: Any, contract: Contract) -> Any:
    """A text stays one where the contract wants a text; everything else is JSON."""
    if isinstance(said, dict):
        properties = (contract.schema_ or {}).get("properties", {})
        return {name: _value(text, properties.get(name, {})) for name, text in said.items() if text}
    return _value(said, {}) if contract.type == "json" else said


def _value(text: str, schema: Any) -> Any:
    if isinstance(schema, dict) and (schema.get("type") == "string" or "enum" in schema):
        return text
    try:
        return strict_json(text)
    except (ValueError, RecursionError):
        return text


def spelled(value: Any) -> str:
    return value if isinstance(value, str) else dumps(value)


def _safe(text: str) -> str:
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def _bare(text: str) -> str:
    found = text.strip()
    quoted = found.startswith("'") and found.lstrip("'").startswith(_FORMULA)
    return found[1:].strip() if quoted else found


def _broken(path: Path, why: str, help: str, line: int = 1) -> UserError:
    return fail("T867", f"{path.name} is not the sheet that was written: {why}", help=help, file=str(path), line=line)
