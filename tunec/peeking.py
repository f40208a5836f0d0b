"""A quick look into a data file: its columns, the official splits it names, and how many rows it has, about.

`tunec check` takes a quarter of a second, so it reads the beginning of a file alone. What needs every row is the `data`
stage's to say.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from compiler.workspace import Peek
from stages import shapes
from stages.row_shapes import Unshaped, columns
from stages.shapes import SPLIT_COLUMN, SPLITS

_BEGINNING = 256 * 1024  # bytes that are looked into
_DIFFERENT = 500  # texts of a column that are told; a column of more holds no labels
_COUNTED = 32 * 1024 * 1024  # bytes; the rows of a larger file are reckoned from its beginning


def peek(path: Path, format: str) -> Peek | None:
    """None for Parquet, whose columns take a library that is slow to load, and for what cannot be read; no row of an
    empty table.
    """
    try:
        stat = path.stat()
        return _peek(path, format, stat.st_size, stat.st_mtime_ns)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=256)
def _peek(path: Path, format: str, size: int, modified: int) -> Peek | None:
    kind = shapes.kind(path.name, format)
    if path.suffix.removeprefix(".") in shapes.COMPRESSED:
        return None
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING)
    whole = len(beginning) == size
    text = beginning.decode("utf-8-sig", errors="replace")
    rows = list(_READERS[kind](text, whole)) if kind in _READERS else []
    if not rows:
        return Peek(frozenset(), 0) if whole and _empty(text, kind) else None
    shaped = list(map(_shaped, rows))
    columns = frozenset(name for row in shaped for name in row)
    splits = {SPLITS.get(str(row.get(SPLIT_COLUMN)).strip().lower()) for row in rows}
    count = _count(path, size, len(beginning), len(rows), kind)
    named, told = frozenset(filter(None, splits)), whole or kind in ("csv", "tsv")
    return Peek(columns, count, named, told, _longest(shaped), _said(shaped) if whole else {})


def _empty(text: str, kind: str) -> bool:
    """Whether nothing stands in a table below its columns' names. An empty JSONL is where `tunec coach` lets a task
    begin, to be filled: it shows nothing.
    """
    return kind in ("csv", "tsv") and len(text.strip().splitlines()) <= 1


def _shaped(row: dict[str, Any]) -> dict[str, Any]:
    """The row, with the columns that follow from its shape."""
    try:
        return columns(row)
    except Unshaped:
        return row


def _longest(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        for name, value in row.items():
            if isinstance(value, str):
                found[name] = max(found.get(name, 0), len(value.encode("utf-8", "replace")))
    return found


def _said(rows: Iterable[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """The different texts of each column that has few of them."""
    found: dict[str, set[str]] = {}
    for row in rows:
        for name, text in _texts(row):
            found.setdefault(name, set()).add(text)
    return {name: frozenset(texts) for name, texts in found.items() if len(texts) <= _DIFFERENT}


def _texts(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The texts of a row, those inside its objects among them; an object may be written as JSON, as a CSV has it."""
    for name, value in row.items():
        inside = _object(value)
        if inside is not None:
            yield from ((f"{name}.{key}", text) for key, text in inside.items() if isinstance(text, str))
        elif isinstance(value, str):
            yield name, value


def _object(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def _count(path: Path, size: int, looked: int, found: int, kind: str) -> int:
    if looked == size:
        return found
    if size > _COUNTED:
        return round(found * size / looked)
    with path.open("rb") as file:
        lines = sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))
    return max(found, lines - (kind in ("csv", "tsv")))


def _jsonl(text: str, whole: bool) -> Iterator[dict[str, Any]]:
    lines = text.split("\n")
    for line in lines if whole else lines[:-1]:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            yield row


def _csv(text: str, whole: bool) -> Iterator[dict[str, Any]]:
    """The cells of each row by the header's names. A damaged file shows nothing: `data` says what is wrong with it."""
    mark = max(",;\t|", key=text.split("\n", 1)[0].count)
    try:
        rows = list(csv.DictReader(io.StringIO(text), strict=True, delimiter=mark))
    except csv.Error:
        return
    for row in rows if whole else rows[:-1]:
        if None not in row:
            yield row


def _json(text: str, whole: bool) -> Iterator[dict[str, Any]]:
    """The elements of an array, as many as the beginning holds; otherwise an object a line."""
    if not text.lstrip().startswith("["):
        yield from _jsonl(text, whole)
        return
    decoder, at = json.JSONDecoder(), text.index("[") + 1
    while found := _ELEMENT.match(text, at):
        try:
            row, at = decoder.raw_decode(text, found.end())
        except (ValueError, RecursionError):
            return
        if isinstance(row, dict):
            yield row


_ELEMENT = re.compile(r"[\s,]*(?=[{\[\"\-\w])")
_READERS = {"jsonl": _jsonl, "json": _json, "csv": _csv, "tsv": _csv}
