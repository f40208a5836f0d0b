"""What a file is, in few bytes, and where another one first differs from it.

A sha256 says that a file changed. Its pieces, at most 64 a file, say where: each has a hash and two sums over its
bytes b[0], b[1], ...: the sum of b[i], and the sum of i * b[i]. When one byte of a piece changed, the first sum changed
by d and the second by i * d, so i is their quotient, and the piece's hash proves it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PIECES = 64
LEAST = 64  # bytes of a piece
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Facts:
    """What one reading of a file gives."""

    bytes: int
    sha256: str
    md5: str


@dataclass(frozen=True)
class Place:
    """Where a file first differs: bytes `first` to `last`, counted from 0; one and the same when it is sure.

    was, now: that byte's values; None when it is not known which byte it is.
    """

    first: int
    last: int
    was: int | None = None
    now: int | None = None

    def __str__(self) -> str:
        if self.was is not None and self.now is not None:
            return f"byte {self.first} is 0x{self.now:02x}, was 0x{self.was:02x}"
        return f"byte {self.first}" if self.first == self.last else f"a byte from {self.first} to {self.last}"


def facts(path: Path, *, md5: bool = True) -> Facts:
    """Size and hashes of a file, read once, in blocks. md5: DVC's hash too; "" without it."""
    one, two, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    buffer = bytearray(_BLOCK)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            size += count
            one.update(view[:count])
            if md5:
                two.update(view[:count])
    return Facts(size, one.hexdigest(), two.hexdigest() if md5 else "")


def facts_of(paths: list[Path], *, md5: bool = True) -> list[Facts]:
    """The same of many files, two at a time: hashing waits for no Python."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(lambda path: facts(path, md5=md5), paths))


def pieces(path: Path) -> dict[str, Any]:
    """{"size": bytes of a piece, "marks": "HASH-SUM-WEIGHTED ..."}, one mark a piece."""
    size = piece_size(path.stat().st_size)
    return {"size": size, "marks": " ".join(mark(piece) for piece in _read(path, size))}


def pieces_in(content: bytes) -> dict[str, Any]:
    """The same of bytes that no file holds yet."""
    size = piece_size(len(content))
    return {"size": size, "marks": " ".join(mark(content[at : at + size]) for at in range(0, len(content), size))}


def piece_size(length: int) -> int:
    """The least power of two, from 64 on, that cuts the file into at most 64 pieces."""
    size = LEAST
    while size * PIECES < length:
        size *= 2
    return size


def mark(piece: bytes) -> str:
    plain, weighted = _sums(piece)
    return f"{hashlib.sha256(piece).hexdigest()[:16]}-{plain:x}-{weighted:x}"


def first_difference(path: Path, length: int, known: dict[str, Any]) -> Place | None:
    """Where a file first differs from the one whose length and pieces are known; None when it does not."""
    size, marks = int(known["size"]), str(known["marks"]).split()
    for number, piece in enumerate(_read(path, size)):
        if number >= len(marks):
            return Place(length, length)
        if mark(piece) != marks[number]:
            return _within(piece, marks[number], number * size, min(size, length - number * size))
    now = path.stat().st_size
    return Place(now, now) if now < length else None


def first_difference_from(path: Path, other: Path | bytes) -> Place | None:
    """Where a file first differs from another one that is at hand."""
    reference = iter([other]) if isinstance(other, bytes) else _read(other, _BLOCK)
    whole = path.read_bytes() if isinstance(other, bytes) else None
    mine = iter([whole]) if whole is not None else _read(path, _BLOCK)
    start = 0
    while True:
        ours, theirs = next(mine, b""), next(reference, b"")
        if ours != theirs:
            at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
            if at is None:
                end = start + min(len(ours), len(theirs))
                return Place(end, end)
            return Place(start + at, start + at, theirs[at], ours[at])
        if not ours:
            return None
        start += len(ours)


def _read(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(size):
            yield piece


def _sums(piece: bytes) -> tuple[int, int]:
    """The two sums, exact; a block of 1 MiB at a time, whose own sums stay below 2**48."""
    import numpy as np

    plain = weighted = 0
    places = np.arange(min(len(piece), _BLOCK), dtype=np.uint64)
    for start in range(0, len(piece), _BLOCK):
        values = np.frombuffer(piece, np.uint8, min(_BLOCK, len(piece) - start), start).astype(np.uint64)
        total = int(values.sum())
        plain += total
        weighted += int(values @ places[: len(values)]) + start * total
    return plain, weighted


def _within(piece: bytes, known: str, start: int, length: int) -> Place:
    """The one byte that changed in a piece, where it was one; otherwise the piece."""
    whole = Place(start, start + max(len(piece), length) - 1)
    if len(piece) != length:
        return whole
    plain, weighted = _sums(piece)
    _, was_plain, was_weighted = known.split("-")
    off, far = plain - int(was_plain, 16), weighted - int(was_weighted, 16)
    if off == 0 or far % off or not 0 <= far // off < length:
        return whole
    at = far // off
    was = piece[at] - off
    if not 0 <= was <= 255 or mark(piece[:at] + bytes([was]) + piece[at + 1 :]) != known:
        return whole
    return Place(start + at, start + at, was, piece[at])
