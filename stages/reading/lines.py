"""JSON Lines, and plain text for continued pretraining."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from stages.reading.opening import BROKEN, ended_early, open_text
from stages.reading.record import MAX_RECORD_BYTES, Record, json_record, too_long


def json_lines(path: Path, encoding: str) -> Iterator[Record]:
    """One JSON object a line. A lone carriage return ends no line."""
    name = "UTF-8" if encoding == "auto" else encoding
    with open_text(path, encoding) as file:
        yield from each(file, name)


def each(file: io.BufferedReader, name: str) -> Iterator[Record]:
    number = 0
    try:
        for number, (line, size) in enumerate(bounded(file), start=1):
            yield json_record(number, line, name, size)
    except BROKEN as error:
        yield Record(number + 1, None, ended_early(error))


def bounded(file: io.BufferedReader) -> Iterator[tuple[bytes, int]]:
    """(line, its size in bytes); of a line that is too long its beginning alone, so that memory stays bounded."""
    while line := file.readline(MAX_RECORD_BYTES + 1):
        size = len(line)
        if size > MAX_RECORD_BYTES and not line.endswith(b"\n"):
            while rest := file.readline(MAX_RECORD_BYTES):
                size += len(rest)
                if rest.endswith(b"\n"):
                    break
        yield line, size


def paragraphs(path: Path, encoding: str) -> Iterator[Record]:
    """Plain text: what stands between empty lines is one record {"text": ...}, whose line is its first."""
    name = "UTF-8" if encoding == "auto" else encoding
    held: list[bytes] = []
    start = number = size = 0
    with open_text(path, encoding) as file:
        try:
            for number, (line, many) in enumerate(bounded(file), start=1):
                if line.strip():
                    start, size = start or number, size + many
                    held += [line] if size <= MAX_RECORD_BYTES else []
                elif start:
                    yield _paragraph(start, held, size, name)
                    held, start, size = [], 0, 0
        except BROKEN as error:
            yield Record(number + 1, None, ended_early(error))
        if start:
            yield _paragraph(start, held, size, name)


def _paragraph(line: int, held: list[bytes], size: int, name: str) -> Record:
    if size > MAX_RECORD_BYTES:
        return too_long(line, size)
    try:
        return Record(line, {"text": b"".join(held).decode("utf-8").rstrip()})
    except UnicodeDecodeError as error:
        return Record(line, None, f"not {name} at byte {error.start}")
