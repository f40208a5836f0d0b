"""Files of rows, streamed: each record with its line number, or the reason why it cannot be read.

A reader never stops at a bad record and never drops one: what it cannot read, it says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from stages.diagnostics import fail
from stages.reading.delimited import commas, tabs
from stages.reading.json_array import json_array
from stages.reading.lines import json_lines, paragraphs
from stages.reading.record import Record
from stages.reading.tables import arrow, excel, parquet
from stages.shapes import kind

READERS: dict[str, Callable[[Path, str], Iterator[Record]]] = {
    "jsonl": json_lines,
    "json": json_array,
    "csv": commas,
    "tsv": tabs,
    "parquet": parquet,
    "arrow": arrow,
    "xlsx": excel,
    "text": paragraphs,
}


def read(path: Path, format: str, encoding: str = "auto") -> Iterator[Record]:
    """The records of a file. Raises T302 when the file as a whole is not of its format."""
    reader = READERS.get(kind(path.name, format))
    if reader is None:
        help = f"name its `format:` in data.sources, one of {', '.join(READERS)}"
        raise fail("T302", f"no reader for {path.name}", help=help, file=str(path))
    return reader(path, encoding)
