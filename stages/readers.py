"""Files of rows, streamed: each record with its line number, or the reason why it cannot be read.

A reader never stops at a bad record and never drops one: what it cannot read, it says.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.base import fail
from stages.contract import loads

MAX_RECORD_BYTES = 1_000_000
MAX_DEPTH = 100


@dataclass(frozen=True)
class Record:
    """What stands at one line of a source. Either `fields` or `reason` is set; `raw` is its text, to be kept."""

    line: int
    fields: dict[str, Any] | None
    reason: str | None = None
    raw: str = ""


def read(path: Path, format: str) -> Iterator[Record]:
    """The records of a file. Raises T302 when the file as a whole is not of its format."""
    name = path.suffix.removeprefix(".") if format == "auto" else format
    reader = _READERS.get(name)
    if reader is None:
        help = f"name its `format:` in data.sources, one of {', '.join(_READERS)}"
        raise fail("T302", f"no reader for {path.name}", help=help, file=str(path))
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise fail(
            "T302",
            f"{path.name} is UTF-16, and UTF-8 is read",
            help=f"iconv -f UTF-16 -t UTF-8 {path.name}",
            file=str(path),
        )
    return reader(path)


def _jsonl(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        for number, line in enumerate(_lines(file), start=1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            yield _json_record(number, line)


def _lines(file: io.BufferedReader) -> Iterator[bytes]:
    """Lines of at most a record's size; of a longer one, its beginning, so that memory stays bounded."""
    while line := file.readline(MAX_RECORD_BYTES + 1):
        if len(line) > MAX_RECORD_BYTES and not line.endswith(b"\n"):
            while (rest := file.readline(MAX_RECORD_BYTES)) and not rest.endswith(b"\n"):
                pass
        yield line


def _json_record(number: int, line: bytes) -> Record:
    if len(line) > MAX_RECORD_BYTES:
        return Record(number, None, f"longer than {MAX_RECORD_BYTES:,} bytes")
    try:
        text = line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        return Record(number, None, f"not UTF-8 at byte {error.start}", line.decode("utf-8", "replace").rstrip())
    if not text.strip():
        return Record(number, None, "an empty line", text)
    try:
        value = strict_json(text)
    except json.JSONDecodeError as error:
        return Record(number, None, f"not JSON: {error.msg} at column {error.colno}", text)
    except (ValueError, RecursionError) as error:
        return Record(number, None, f"not JSON: {error}", text)
    if not isinstance(value, dict):
        return Record(number, None, "not a JSON object", text)
    return Record(number, value, None, text)


def strict_json(text: str) -> Any:
    """JSON without NaN, repeated keys, lone surrogates, or more than 100 levels. Raises ValueError."""
    if _depth_bound(text) > MAX_DEPTH:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    value = loads(text)
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()  # overflowed floats and lone surrogates raise here
    return value


def _depth_bound(text: str) -> int:
    """The deepest nesting there can be; exact outside strings, so count properly only when it looks deep."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    inside = escaped = False
    for char in text:
        if inside:
            inside = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            inside = True
        elif char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest


def _csv(path: Path) -> Iterator[Record]:
    """Comma-separated, with a header. Empty cells are absent fields. Line numbers are those of a record's last line."""
    csv.field_size_limit(MAX_RECORD_BYTES)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, strict=True)
        try:
            header = next(rows, None)
            if header is None:
                return
            _check_header(path, header)
            yield from _csv_records(rows, header)
        except UnicodeDecodeError:
            message, help = f"{path.name} is not UTF-8", "save it as UTF-8"
            raise fail("T302", message, help=help, file=str(path), line=rows.line_num + 1) from None
        except csv.Error as error:
            message, help = f"{path.name} is not CSV: {error}", "quote fields that hold quotes"
            raise fail("T302", message, help=help, file=str(path), line=rows.line_num) from None


def _check_header(path: Path, header: list[str]) -> None:
    if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
        help = "save it with commas, or as JSONL"
        raise fail(
            "T302", f"{path.name} is not separated by commas: its header is one column", help=help, file=str(path)
        )
    if len(set(header)) != len(header) or not all(header):
        help = "give every column a name of its own"
        raise fail("T302", f"{path.name}: a column has no name, or two have the same", help=help, file=str(path))


def _csv_records(rows: Any, header: list[str]) -> Iterator[Record]:
    for cells in rows:
        raw = ",".join(cells)
        if not cells:
            yield Record(rows.line_num, None, "an empty line")
        elif len(cells) != len(header):
            yield Record(rows.line_num, None, f"{len(cells)} cells where the header has {len(header)}", raw)
        else:
            yield Record(rows.line_num, {k: v for k, v in zip(header, cells, strict=True) if v != ""}, None, raw)


def _parquet(path: Path) -> Iterator[Record]:
    """Row numbers count from 1; nulls are absent fields, for Parquet has no other way to say so."""
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=1024):
            for fields in batch.to_pylist():
                number += 1
                yield _parquet_record(number, _without_nulls(fields))
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        message = f"{path.name} is not Parquet, or is damaged: {error}"
        raise fail("T302", message[:300], help="write it anew", file=str(path), line=number + 1) from None


def _parquet_record(number: int, fields: dict[str, Any]) -> Record:
    try:
        return Record(number, fields, None, json.dumps(fields, allow_nan=False, ensure_ascii=False))
    except (TypeError, ValueError) as error:  # dates, decimals, bytes, NaN
        return Record(number, None, f"not JSON: {error}", str(fields))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


_READERS: dict[str, Callable[[Path], Iterator[Record]]] = {"jsonl": _jsonl, "csv": _csv, "parquet": _parquet}
