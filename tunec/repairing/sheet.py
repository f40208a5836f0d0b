"""The labelling sheet: a CSV with a line for each row that is wanted, for people to fill in with any spreadsheet.

    cluster,about,advice,like,text,answer
    1,"wrong label, refund → billing",Add rows at the border…,a train row to begin from,,

A line that says nothing is not done yet; one that lacks its input, its answer or a cluster of the round is told. A cell
that a spreadsheet would take for a formula stands behind a `'`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from stages.contract import Contract
from stages.diagnostics import fail
from stages.rows import dumps
from stages.strict_json import strict_json

ANSWER = "answer"
_GUIDE = ("cluster", "about", "advice", "like")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "|", "%")
_LONGEST = 1_000_000  # characters of a cell


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
    csv.field_size_limit(_LONGEST)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            mark = _mark(file.readline())
            file.seek(0)
            table = csv.DictReader(file, delimiter=mark)
            missing = [name for name in of.names if name not in (table.fieldnames or ())]
            if missing:
                raise _broken(path, f"it has no column {missing[0]}")
            for line in table:
                if found := _filled(table.line_num, line, of, contract, clusters):
                    yield found
    except (OSError, UnicodeDecodeError, csv.Error):
        raise _broken(path, "it is no CSV in UTF-8") from None


def _mark(first: str) -> str:
    """Spreadsheets of some countries write semicolons."""
    return max(",;\t", key=first.count)


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


def _broken(path: Path, why: str) -> Exception:
    help = "keep its first line and its columns; or remove it, and `tunec repair` writes it anew"
    return fail("T867", f"{path.name} is not the sheet that was written: {why}", help=help)
