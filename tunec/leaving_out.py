"""A source file without some of its records; what stays keeps its bytes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from stages.reading.delimited import separator
from stages.reading.json_array import json_array
from stages.shapes import COMPRESSED, kind


class Unwritable(Exception):
    """The file is of a kind that is only read; the message says which."""


def without(path: Path, lines: set[int]) -> Callable[[], None]:
    """Write the file anew beside itself, and return what puts it in its place. lines: as a reader counts them.

    Raises Unwritable, and then nothing has changed.
    """
    if path.suffix.removeprefix(".") in COMPRESSED:
        raise Unwritable("it is compressed")
    writers = {"jsonl": _lines, "csv": _table, "tsv": _table, "json": _array, "parquet": _parquet}
    write = writers.get(kind(path.name))
    if write is None:
        raise Unwritable("its format is only read")
    aside = path.with_name(f".{path.name}.forgetting")
    try:
        write(path, aside, lines)
    except Exception:
        aside.unlink(missing_ok=True)
        raise
    return lambda: _into_place(aside, path)


def _into_place(aside: Path, path: Path) -> None:
    aside.replace(path)


def _lines(path: Path, aside: Path, lines: set[int]) -> None:
    with path.open("rb") as file, aside.open("wb") as out:
        if file.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise Unwritable("it is UTF-16")
        for number, line in enumerate(file, start=1):
            if number not in lines:
                out.write(line)


def _table(path: Path, aside: Path, lines: set[int]) -> None:
    """A record's line is its last, and its first stands behind the last of the one before."""
    with path.open("rb") as file, aside.open("wb") as out:
        if file.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise Unwritable("it is UTF-16")
        held: list[bytes] = []
        mark = "\t" if kind(path.name) == "tsv" else separator(file.peek(4096).split(b"\n")[0].decode("latin-1"))
        rows = csv.reader(_held(file, held), strict=True, delimiter=mark)
        while True:
            try:
                ended = next(rows, None) is None
            except csv.Error:
                ended = False
            if held and rows.line_num not in lines:
                out.writelines(held)
            held.clear()
            if ended:
                return


def _held(file: BinaryIO, held: list[bytes]) -> Iterator[str]:
    for line in file:
        held.append(line)
        yield line.decode("utf-8", "surrogateescape")


def _array(path: Path, aside: Path, lines: set[int]) -> None:
    with path.open("rb") as file:
        lined = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"
    if lined:
        _lines(path, aside, lines)
        return
    records = list(json_array(path, "auto"))
    if any(record.fields is None for record in records):
        raise Unwritable("it holds what is no record")
    kept = [json.dumps(record.fields, ensure_ascii=False) for record in records if record.line not in lines]
    aside.write_text("[\n" + ",\n".join(kept) + "\n]\n", encoding="utf-8")


def _parquet(path: Path, aside: Path, lines: set[int]) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    mask = pyarrow.array([number not in lines for number in range(1, table.num_rows + 1)])
    pyarrow.parquet.write_table(table.filter(mask), aside)
