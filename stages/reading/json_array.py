"""A JSON array of objects, element by element: a file of any size is never held whole.

A `.json` file that holds an object a line, as many data sets do, is read as the JSON Lines that it is.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stages.reading.lines import each
from stages.reading.opening import BROKEN, ended_early, open_text
from stages.reading.record import MAX_RECORD_BYTES, Record, json_record

_PIECE = 64 * 1024
_OUTSIDE, _INSIDE = re.compile(rb'["\[\]{},\n]'), re.compile(rb'["\\\n]')


def json_array(path: Path, encoding: str) -> Iterator[Record]:
    """The elements of the array at the top; each record's line is the one that its element begins on."""
    name = "UTF-8" if encoding == "auto" else encoding
    with open_text(path, encoding) as file:
        if _first(file) == b"{":
            yield from each(file, name)
        else:
            yield from _elements(file, name)


def _first(file: io.BufferedReader) -> bytes:
    return file.peek(_PIECE).lstrip()[:1]


def _elements(file: io.BufferedReader, name: str) -> Iterator[Record]:
    scan = _Scan()
    try:
        while piece := file.read1(_PIECE):
            yield from (json_record(line, text, name, size) for line, text, size in scan.elements(piece))
    except BROKEN as error:
        yield Record(scan.line, None, ended_early(error))
        return
    if scan.depth or (scan.ended and scan.text.strip()):
        reason = "something stands behind the array" if scan.ended else "the file ends inside the array"
        yield Record(scan.start, None, f"not JSON: {reason}")
    elif not scan.ended and scan.text.strip():
        yield json_record(scan.start, bytes(scan.text), name)


@dataclass
class _Scan:
    """Where in the text we are. depth: of brackets; 1 is between elements. text: of the element so far, bounded."""

    depth: int = 0
    inside: bool = False
    ended: bool = False
    line: int = 1
    start: int = 1
    size: int = 0
    text: bytearray = field(default_factory=bytearray)

    def elements(self, piece: bytes) -> Iterator[tuple[int, bytes, int]]:
        """(line, text, bytes) of every element that ends in this piece."""
        at = 0
        while at < len(piece):
            found = (_INSIDE if self.inside else _OUTSIDE).search(piece, at)
            if not found:
                self._add(piece[at:])
                return
            mark, end = found[0], found.end()
            if mark == b"\\":  # whatever follows is escaped, also at the beginning of the next piece
                self._add(piece[at : end + 1])
                self.line += piece[end : end + 1] == b"\n"
                at = end + 1
                continue
            self._add(piece[at : found.start()])
            at = end
            yield from self._meet(mark)

    def _meet(self, mark: bytes) -> Iterator[tuple[int, bytes, int]]:
        if mark == b"\n":
            self.line += 1
        elif mark == b'"':
            self.inside = not self.inside
        elif mark in b"[{":
            self.depth += 1
            if self.depth == 1 and not self.ended:
                return
        elif mark in b"]}":
            self.depth -= 1
        if (self.depth == 1 and mark == b",") or (self.depth == 0 and mark == b"]" and not self.ended):
            self.ended = self.depth == 0
            if self.text.strip() or mark == b",":
                yield self.start, bytes(self.text) or b"null", self.size
            self.text, self.size = bytearray(), 0
        else:
            self._add(mark)

    def _add(self, text: bytes) -> None:
        if not self.size:
            text = text.lstrip()
            self.start = self.line
        self.size += len(text)
        if self.size <= MAX_RECORD_BYTES:
            self.text += text
