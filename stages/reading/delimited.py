"""CSV and TSV, with a header. Empty cells are absent fields. A record's line is its last."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.counting import counted
from stages.diagnostics import fail
from stages.reading.opening import BROKEN, ended_early, open_text
from stages.reading.record import MAX_RECORD_BYTES, Record

_MARKS = ",;\t|"
_NEVER = {  # what the csv module says of quotes that it finds no end of -> in other words
    "unexpected end of data": "is never closed",
    "field larger than field limit": f"is not closed within {MAX_RECORD_BYTES:,} characters",
}


def commas(path: Path, encoding: str) -> Iterator[Record]:
    """Separated by the mark that stands most often in the header: a comma, semicolon, tab or bar."""
    return _separated(path, encoding, None)


def tabs(path: Path, encoding: str) -> Iterator[Record]:
    return _separated(path, encoding, "\t")


def separator(header: str) -> str:
    """The mark that parts a header's columns; a comma where none does."""
    return max(_MARKS, key=header.count)


def _separated(path: Path, encoding: str, mark: str | None) -> Iterator[Record]:
    csv.field_size_limit(MAX_RECORD_BYTES)
    with open_text(path, encoding) as file:
        mark = mark or separator(file.peek(4096).split(b"\n")[0].decode("utf-8", "replace"))
        lines = _Lines(file)
        rows = csv.reader(lines, strict=True, delimiter=mark)
        try:
            header = next(rows, None)
        except csv.Error as error:
            broken, *_ = _broken(error, rows.line_num, lines.held, mark)
            help = "quote fields that hold quotes, and double each quote inside them"
            raise fail("T302", f"{path.name} is {broken.reason}", help=help, file=str(path), line=broken.line) from None
        if header is not None:
            _check_header(path, header)
            yield from _records(rows, lines, header, mark, "UTF-8" if encoding == "auto" else encoding)


class _Lines:
    """The lines of a file as text; what is no UTF-8 stays recognisable, so that its record alone is rejected.

    held: those that were given since `held` was emptied, at the beginning of a record.
    """

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self.held: list[str] = []

    def __iter__(self) -> Iterator[str]:
        for line in self._file:
            text = line.decode("utf-8", "surrogateescape")
            self.held.append(text)
            yield text


def _check_header(path: Path, header: list[str]) -> None:
    if any(not name.isprintable() for name in header):
        raise fail("T302", f"{path.name}: a column's name cannot be read", help="save it as UTF-8", file=str(path))
    if len(set(header)) != len(header) or not all(header):
        help = "give every column a name of its own"
        raise fail("T302", f"{path.name}: a column has no name, or two have the same", help=help, file=str(path))


def _records(rows: Any, lines: _Lines, header: list[str], mark: str, encoding: str) -> Iterator[Record]:
    while True:
        lines.held.clear()
        try:
            cells = next(rows, None)
        except csv.Error as error:  # the reader begins anew with the next line
            yield from _broken(error, rows.line_num, lines.held, mark)
            continue
        except BROKEN as error:
            yield Record(rows.line_num + 1, None, ended_early(error))
            return
        if cells is None:
            return
        yield _record(rows.line_num, len(lines.held), cells, header, encoding)


def _broken(error: csv.Error, last: int, held: list[str], mark: str) -> Iterator[Record]:
    """The line that is wrong; where a quote in it took more lines into its field, each of those as well: nobody knows
    whether they are rows or text.
    """
    opened = last - len(held) + 1 + _opened("".join(held), mark)
    why = next((words for said, words in _NEVER.items() if said in str(error)), None)
    if opened == last and not why:
        yield Record(last, None, f"not CSV: {error}")
        return
    why = why or f"is closed in the middle of line {last}"
    taken = counted(last - opened, "line", "after it was", "after it were")
    so = f", so the {taken} read as one field" if last > opened else ""
    yield Record(opened, None, f"not CSV: the quote that opens here {why}{so}")
    for line in range(opened + 1, last + 1):
        yield Record(line, None, f"not CSV: it was read into the field whose quote opens in line {opened}")


def _opened(record: str, mark: str) -> int:
    """Line breaks before the field where the reading of a record failed: the first that does not end as it should."""
    mark = re.escape(mark)
    whole = re.match(rf'(?:(?:"[^"]*+(?:""[^"]*+)*+"|(?!")[^{mark}\r\n]*+){mark})*+', record)
    return record.count("\n", 0, whole.end()) if whole else 0


def _record(line: int, lines: int, cells: list[str], header: list[str], encoding: str) -> Record:
    """lines: how many the record has; `line` is the last."""
    if not cells:
        return Record(line, None, "an empty line")
    if len(cells) != len(header):
        several = f"; a quote makes one row of lines {line - lines + 1} to {line}" if lines > 1 else ""
        return Record(line, None, f"{counted(len(cells), 'cell')} where the header has {len(header)}{several}")
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return Record(line, None, f"not {encoding}")
    told = dict(zip(header, cells, strict=True))
    blank = tuple(name for name, cell in told.items() if cell == "")
    return Record(line, {name: cell for name, cell in told.items() if cell != ""}, None, blank)
