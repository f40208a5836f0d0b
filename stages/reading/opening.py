"""A file of texts as UTF-8 bytes: decompressed, and out of the encoding that its source declares.

An encoding that nobody declared is named and refused, never guessed: a wrong guess would train on mojibake.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from stages.diagnostics import UserError, fail
from stages.shapes import COMPRESSED

_SAMPLE = 64 * 1024  # bytes by which an encoding is told
_PIECE = 64 * 1024
_TELLING = 40  # bytes beyond ASCII from which on they tell an alphabet
_WESTERN = "‘’“”„–—…€£«»¿¡°§"
_MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
)
_MARKS += ((codecs.BOM_UTF16_BE, "UTF-16"),)


def open_text(path: Path, encoding: str) -> io.BufferedReader:
    """The file's text as UTF-8 without a byte order mark. Raises T302 for an encoding that was not declared.

    Bytes that the declared encoding does not have come out as bytes that are no UTF-8, so that their line is rejected.
    """
    plain = _buffered(_Whole(_decompressed(path)))
    try:
        if encoding == "auto":
            _refuse_others(plain, path)
        text = plain if encoding == "auto" else _buffered(_Recoded(plain, encoding))
        skip(text, codecs.BOM_UTF8)
    except BaseException:
        plain.close()
        raise
    return text


def _buffered(raw: Any) -> io.BufferedReader:
    return io.BufferedReader(raw, _SAMPLE)


def skip(file: io.BufferedReader, mark: bytes) -> None:
    if file.peek(len(mark))[: len(mark)] == mark:
        file.read(len(mark))


def ended_early(error: Exception) -> str:
    """Why the rest of a compressed file cannot be read."""
    return "the compressed file ends too early" if isinstance(error, EOFError) else "the compressed file is damaged"


BROKEN = (EOFError, gzip.BadGzipFile, lzma.LZMAError, OSError, ValueError)  # what decompressing raises


def _decompressed(path: Path) -> IO[bytes]:
    openers: dict[str, Callable[[Path], Any]] = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open, "zst": _zstandard}
    ending = path.suffix.removeprefix(".")
    opened: IO[bytes] = openers[ending](path) if ending in COMPRESSED else path.open("rb")
    return opened


def _zstandard(path: Path) -> Any:
    import pyarrow

    return pyarrow.CompressedInputStream(pyarrow.OSFile(str(path)), "zstd")


class _Whole(io.RawIOBase):
    """Reads of any size from a file that may give less; what decompressing raises is raised as EOFError or OSError."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            piece = self._file.read(len(buffer))
        except lzma.LZMAError as error:
            raise OSError(str(error)) from None
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Recoded(io.RawIOBase):
    """UTF-8 out of a file in another encoding, piece by piece."""

    def __init__(self, file: IO[bytes], encoding: str) -> None:
        self._file, self._left = file, b""
        self._decode = codecs.getincrementaldecoder(encoding)("surrogateescape").decode

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            piece = self._file.read(_PIECE)
            self._left = self._decode(piece, not piece).encode("utf-8", "surrogateescape")
            if not piece:
                break
        given, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(given)] = given
        return len(given)

    def close(self) -> None:
        self._file.close()
        super().close()


def _refuse_others(file: io.BufferedReader, path: Path) -> None:
    try:
        sample = file.peek(_SAMPLE)[:_SAMPLE]
    except BROKEN as error:
        message = f"{path.name} cannot be unpacked: {ended_early(error)}"
        raise fail("T302", message, help="write it anew", file=str(path)) from None
    for mark, told in _MARKS:
        if sample.startswith(mark):
            raise _other(path, told, f"{path.name} is {told}, and UTF-8 is read")
    lines = sample.split(b"\n")
    bad = [number for number, line in enumerate(lines, start=1) if _broken(line, number == len(lines))]
    if 2 * len(bad) > sum(map(bool, lines)):
        name = _guess(sample)
        like = f"; it looks like {name}" if name else ""
        raise _other(path, name or "ENCODING", f"{path.name} is not UTF-8{like}", bad[0], lines[bad[0] - 1])


def _broken(line: bytes, last: bool) -> bool:
    """Whether a line is no UTF-8; the last one of a sample may be cut in the middle of a character."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(line, not last)
    except UnicodeDecodeError:
        return True
    return False


def _other(path: Path, name: str, message: str, line: int = 1, text: bytes = b"") -> UserError:
    try:
        text.decode("utf-8")
        notes: tuple[str, ...] = ()
    except UnicodeDecodeError as error:
        notes = (f"line {line} is not UTF-8 at byte {error.start}",)
    help = f"save it as UTF-8, or declare it: `encoding: {name.lower()}` beside its path in data.sources"
    return fail("T302", message, notes=notes, help=help, file=str(path), line=line)


def _guess(sample: bytes) -> str | None:
    """The likeliest encoding by its usual name. A few bytes tell no alphabet: then Western Europe's, if it can be."""
    from charset_normalizer import from_bytes

    found = from_bytes(sample).best()
    if not found:
        return None
    if not found.multi_byte_usage and sum(byte > 127 for byte in sample) < _TELLING and _is_western(sample):
        return "cp1252"
    usual = {"cp950": "big5", "big5hkscs": "big5", "gb2312": "gb18030", "gbk": "gb18030"}
    return usual.get(found.encoding, found.encoding)


def _is_western(sample: bytes) -> bool:
    try:
        return all(sign.isascii() or sign.isalpha() or sign in _WESTERN for sign in sample.decode("cp1252"))
    except UnicodeDecodeError:
        return False
