"""Read the head of a GGUF file strictly, in Python, before any native code sees it.

llama.cpp's own reader has had memory errors on hostile headers (CVE-2025-53630, CVE-2026-27940, CVE-2026-33298). So
every count, length, type and offset is held against the file's size here first, and a file that does not add up is
refused with T350. What is read along the way (chat template, special tokens) needs no model to be loaded.
Source: github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.diagnostics import fail

MAGIC = b"GGUF"
STRING, ARRAY, BOOL = 8, 9, 7
# The scalar types of metadata: type number -> struct format.
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
# Tensor types: number -> (values a block, bytes a block). From ggml.h; numbers that are missing were removed there.
BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74),
    18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2),
    26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
    40: (64, 36),
}  # fmt: skip
MAX_DIMENSIONS = 4
MAX_DEPTH = 2
MAX_NAME = 64  # bytes with the closing NUL: GGML_MAX_NAME
MAX_KEY = 65535
MAX_BLOCKS = 512  # LLAMA_MAX_LAYERS


class Damaged(ValueError):
    """The header does not add up; the message says where, in words fit for a user."""


@dataclass(frozen=True)
class Tensor:
    """One tensor's place. shape: innermost first. offset and size: bytes, offset counted from the data section."""

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int
    size: int


@dataclass(frozen=True)
class Header:
    """What stands before the weights. metadata: arrays are lists; data: where the data section begins, in bytes."""

    version: int
    metadata: Mapping[str, Any]
    tensors: tuple[Tensor, ...]
    data: int


def read(path: Path) -> Header:
    """The header of a GGUF file. Raises T350 when the file is no GGUF, is damaged or is cut short."""
    try:
        with _mapped(path) as data:
            return parse(data)
    except (Damaged, OSError) as error:
        reason = error if isinstance(error, Damaged) else (error.strerror or type(error).__name__)
        raise fail(
            "T350",
            f"{path.name} is not a GGUF file that can be loaded: {reason}",
            help="fetch or build the file again, and compare its sha256 with the one that its source names",
        ) from None


def parse(data: bytes | mmap.mmap) -> Header:
    """The header in `data`, the whole file's bytes. Raises Damaged, and nothing else, on whatever is wrong."""
    at = _Cursor(data)
    if at.take(4, "magic") != MAGIC:
        raise Damaged("it does not begin with the letters GGUF")
    version = at.scalar("I", "version")
    if version not in (2, 3):
        raise Damaged(f"its version is {version}; 2 and 3 are known")
    tensors, pairs = at.scalar("Q", "tensor count"), at.scalar("Q", "metadata count")
    at.room(tensors, 24, "tensors")
    at.room(pairs, 13, "metadata entries")
    metadata = _metadata(at, pairs)
    _check_meaning(metadata)
    infos = [_tensor(at) for _ in range(tensors)]
    alignment = _alignment(metadata)
    start = -(-at.position // alignment) * alignment
    _check_tensors(infos, start, alignment, len(data))
    return Header(version, metadata, tuple(infos), start)


class _Cursor:
    """A place in the file that never moves past its end."""

    def __init__(self, data: bytes | mmap.mmap) -> None:
        self.data = data
        self.position = 0

    def room(self, count: int, size: int, what: str) -> None:
        if count * size > len(self.data) - self.position:
            raise Damaged(f"{count} {what} do not fit into the file")

    def take(self, length: int, what: str) -> bytes:
        self.room(length, 1, f"bytes of {what}")
        self.position += length
        return self.data[self.position - length : self.position]

    def scalar(self, code: str, what: str) -> Any:
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code), what))[0]

    def text(self, what: str, most: int | None = None) -> str:
        length = self.scalar("Q", f"{what}'s length")
        if most is not None and not 0 < length <= most:
            raise Damaged(f"{what} has {length} bytes")
        try:
            return self.take(length, what).decode("utf-8")
        except UnicodeDecodeError:
            raise Damaged(f"{what} is not UTF-8") from None

    def texts(self, count: int) -> list[str]:
        """As `text`, many times over: a vocabulary has a hundred thousand of them."""
        data, place, end = self.data, self.position, len(self.data)
        length_at = struct.Struct("<Q").unpack_from
        found = []
        for _ in range(count):
            begin = place + 8
            place = begin + length_at(data, place)[0] if begin <= end else end + 1
            if place > end:
                raise Damaged("the texts of an array do not fit into the file")
            found.append(data[begin:place])
        self.position = place
        try:
            return [text.decode("utf-8") for text in found]
        except UnicodeDecodeError:
            raise Damaged("a text of an array is not UTF-8") from None


def _metadata(at: _Cursor, pairs: int) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    for _ in range(pairs):
        key = at.text("a metadata key", MAX_KEY)
        if key in metadata:
            raise Damaged("a metadata key stands twice")
        metadata[key] = _value(at, at.scalar("I", "a metadata type"), 0)
    return metadata


def _value(at: _Cursor, kind: int, depth: int) -> Any:
    if kind == STRING:
        return at.text("a metadata text")
    if kind == ARRAY:
        return _array(at, depth)
    if kind not in SCALARS:
        raise Damaged(f"metadata of the unknown type {kind}")
    value = at.scalar(SCALARS[kind], "a metadata value")
    if kind != BOOL:
        return value
    if value > 1:
        raise Damaged("a yes-or-no value is neither")
    return bool(value)


def _array(at: _Cursor, depth: int) -> list[Any]:
    if depth >= MAX_DEPTH:
        raise Damaged("metadata arrays are nested too deep")
    kind, count = at.scalar("I", "an array's type"), at.scalar("Q", "an array's length")
    if kind in SCALARS:
        size = struct.calcsize("<" + SCALARS[kind])
        at.room(count, size, "array values")
        return list(struct.unpack(f"<{count}{SCALARS[kind]}", at.take(count * size, "an array")))
    at.room(count, 8, "array entries")
    return at.texts(count) if kind == STRING else [_value(at, kind, depth + 1) for _ in range(count)]


def _tensor(at: _Cursor) -> Tensor:
    name = at.text("a tensor's name", MAX_NAME - 1)
    dimensions = at.scalar("I", "a tensor's dimensions")
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        raise Damaged(f"a tensor has {dimensions} dimensions")
    shape = tuple(at.scalar("Q", "a tensor's shape") for _ in range(dimensions))
    kind, offset = at.scalar("I", "a tensor's type"), at.scalar("Q", "a tensor's offset")
    if kind not in BLOCKS:
        raise Damaged(f"a tensor has the unknown type {kind}")
    values, size = BLOCKS[kind]
    count = 1
    for length in shape:
        count *= length
    if not 0 < count < 2**63 or shape[0] % values:
        raise Damaged("a tensor's shape does not suit its type")
    return Tensor(name, shape, kind, offset, count // values * size)


def _check_meaning(metadata: Mapping[str, Any]) -> None:
    """What llama.cpp answers not with an error but with the end of the process."""
    tokens = metadata.get("tokenizer.ggml.tokens", [])
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise Damaged("its tokens are not a list of texts")
    if len(set(tokens)) != len(tokens):
        raise Damaged("a token stands twice")
    for key in ("tokenizer.ggml.token_type", "tokenizer.ggml.scores"):
        values = metadata.get(key, tokens)
        if not isinstance(values, list) or len(values) != len(tokens):
            raise Damaged(f"{key} does not suit the tokens")
    for key, value in metadata.items():
        if key.endswith(".block_count") and not (isinstance(value, int) and 0 < value <= MAX_BLOCKS):
            raise Damaged(f"it has {value} layers")
        if isinstance(value, float) and not math.isfinite(value):
            raise Damaged(f"{key} is not a number")


def _alignment(metadata: Mapping[str, Any]) -> int:
    value = metadata.get("general.alignment", 32)
    if not isinstance(value, int) or not 8 <= value <= 2**20 or value & (value - 1):
        raise Damaged("its alignment is not a small power of two")
    return value


def _check_tensors(tensors: list[Tensor], start: int, alignment: int, size: int) -> None:
    """Tensors lie one after another, padded to the alignment, each within the file and of a name of its own."""
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise Damaged("a tensor's name stands twice")
    expected = 0
    for tensor in tensors:
        if tensor.offset != expected:
            raise Damaged(f"the tensor {tensor.name!r} is not where it must be")
        if start + tensor.offset + tensor.size > size:
            raise Damaged(f"the tensor {tensor.name!r} reaches past the end of the file")
        expected += -(-tensor.size // alignment) * alignment


@contextmanager
def _mapped(path: Path) -> Iterator[bytes | mmap.mmap]:
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data
