"""CSV and TSV, with a header. Empty cells are absent fields. A record's line is its last."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.counting import counted
from stages.diagnostics import fail
from stages.reading.opening import BROKEN, ended_early, open_text
from stages.reading.record import MAX_RECORD_BYTES, Record

_MARKS = ",;\t|"


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
        rows = csv.reader(_decoded(file), strict=True, delimiter=mark)
        try:
            header = next(rows, None)
        except csv.Error as error:
            message, help = f"{path.name} is not CSV: {error}", "quote fields that hold quotes"
            raise fail("T302", message, help=help, file=str(path), line=rows.line_num) from None
        if header is not None:
            _check_header(path, header)
            yield from _records(rows, header, "UTF-8" if encoding == "auto" else encoding)


def _decoded(file: io.BufferedReader) -> Iterator[str]:
    """Lines as text; what is no UTF-8 stays recognisable, so that its record alone is rejected."""
    for line in file:
        yield line.decode("utf-8", "surrogateescape")


def _check_header(path: Path, header: list[str]) -> None:
    if any(not name.isprintable() for name in header):
        raise fail("T302", f"{path.name}: a column's name cannot be read", help="save it as UTF-8", file=str(path))
    if len(set(header)) != len(header) or not all(header):
        help = "give every column a name of its own"
        raise fail("T302", f"{path.name}: a column has no name, or two have the same", help=help, file=str(path))


def _records(rows: Any, header: list[str], encoding: str) -> Iterator[Record]:
    while True:
        try:
            cells = next(rows, None)
        except csv.Error as error:  # the reader begins anew with the next line
            yield Record(rows.line_num, None, f"not CSV: {error}")
            continue
        except BROKEN as error:
            yield Record(rows.line_num + 1, None, ended_early(error))
            return
        if cells is None:
            return
        yield _record(rows.line_num, cells, header, encoding)


def _record(line: int, cells: list[str], header: list[str], encoding: str) -> Record:
    if not cells:
        return Record(line, None, "an empty line")
    if len(cells) != len(header):
        return Record(line, None, f"{counted(len(cells), 'cell')} where the header has {len(header)}")
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return Record(line, None, f"not {encoding}")
    told = dict(zip(header, cells, strict=True))
    blank = tuple(name for name, cell in told.items() if cell == "")
    return Record(line, {name: cell for name, cell in told.items() if cell != ""}, None, blank)
