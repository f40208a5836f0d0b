"""When two texts say the same: one way to compare, for duplicates, for conflicts and for leaks.

A text is what is left of it after NFKC, case, marks of direction and joining, punctuation and the script of Chinese are
taken away: its words, where a Chinese or Japanese character is a word of its own. Texts are alike by the Jaccard
similarity of their word trigrams.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

LENGTH = 3  # words of a shingle
MOVED = 8  # words that a text must have for its words in another order to count as the same
_HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_HAN}]|[^\W_{_HAN}]+")
_CHINESE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_UNSEEN = re.compile(r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")

_CHUNK = 1 << 20  # bytes that are hashed at a time, a power of two
_FACTOR = 0x9E3779B97F4A7C15
_PLAIN = bytes(ord(chr(code).lower()) if chr(code).isalnum() and code < 128 else 32 for code in range(256))


def words(text: str) -> list[str]:
    """The words of a text, written alike."""
    if text.isascii():  # the same, ten times faster
        return text.encode().translate(_PLAIN).decode().split()
    text = unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).casefold()
    return _WORD.findall(_simplified().convert(text) if _CHINESE.search(text) else text)


def shingles(found: Sequence[str]) -> list[str]:
    """The word trigrams of a text; of a shorter text, all of it."""
    if len(found) < LENGTH:
        return [" ".join(found)]
    return list(map(" ".join, zip(found, found[1:], found[2:], strict=False)))


def hashed(texts: Sequence[Sequence[str]]) -> tuple[Any, Any]:
    """(hashes of all words, one text after another; how many words each text has). Both arrays, uint64 and int64.

    A word's hash is the polynomial of its bytes, modulo 2**64, wherever it stands.
    """
    import numpy as np

    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    signs = " ".join(chain.from_iterable(texts)).encode("utf-8", "surrogatepass")
    return np.concatenate([np.zeros(0, np.uint64), *map(_hashed, _chunks(signs))]), lengths


def _chunks(signs: bytes) -> Iterator[bytes]:
    """The words of a text, with blanks between them, in parts of at most _CHUNK bytes; a longer word is one part."""
    start = 0
    while start < len(signs):
        end = len(signs)
        if end - start > _CHUNK:
            end = signs.rfind(b" ", start, start + _CHUNK + 1)
            end = end if end > 0 else signs.find(b" ", start)
            end = end if end > 0 else len(signs)
        yield signs[start:end]
        start = end + 1


def _hashed(words: bytes) -> Any:
    """The hash of each word; blanks stand between them."""
    import numpy as np

    if len(words) > _CHUNK:  # one long word: of its parts, each moved to its place
        parts = (words[at : at + _CHUNK] for at in range(0, len(words), _CHUNK))
        moved = (int(_hashed(part)[0]) * pow(_FACTOR, place * _CHUNK, 1 << 64) for place, part in enumerate(parts))
        return np.array([sum(moved) % (1 << 64)], np.uint64)
    signs = np.frombuffer(words, np.uint8)
    powers, inverse = _powers(min(len(signs).bit_length(), _CHUNK.bit_length() - 1))
    starts = np.concatenate([[0], np.flatnonzero(signs == ord(" ")) + 1])
    values = signs * powers[: len(signs)]
    values[starts[1:] - 1] = 0  # the blank between two words is of neither
    return np.add.reduceat(values, starts) * inverse[starts]


@cache
def _powers(bits: int) -> tuple[Any, Any]:
    """2**bits powers of a factor, and of its inverse."""
    import numpy as np

    every = (np.full(1 << bits, factor, np.uint64) for factor in (_FACTOR, pow(_FACTOR, -1, 1 << 64)))
    return tuple(np.cumprod(factors) for factors in every)  # type: ignore[return-value]


def sequences(words: Any, lengths: Any, many: int) -> tuple[Any, Any]:
    """(hashes of all runs of so many words inside a text; the number of the text that each stands in)."""
    import numpy as np

    count = len(words) - many + 1
    if count < 1:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    whose = np.repeat(np.arange(len(lengths)), lengths)
    found = np.zeros(count, np.uint64)
    for shift in range(many):
        found = found * np.uint64(_FACTOR) + words[shift : shift + count]
        found ^= found >> np.uint64(31)
    within = whose[:count] == whose[many - 1 :]
    return found[within] * np.uint64(_FACTOR), whose[:count][within]


def jaccard(one: set[str], other: set[str]) -> float:
    """Shared shingles over all shingles; 1 for texts of the same words."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared) if shared else 0.0


def key(found: Sequence[str], text: str) -> int:
    """64 bits that two texts of the same words share. Of a text without words, of its signs as they stand."""
    return digest(" ".join(found) if found else unicodedata.normalize("NFKC", "".join(text.split())))


def digest(text: str) -> int:
    """The first 64 bits of BLAKE2b, the same on every machine and in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def said(values: Any) -> str:
    """All texts in a row's input, or in an answer, one after another."""
    if isinstance(values, str):
        return values
    if isinstance(values, dict):
        return "\n".join(map(said, values.values()))
    return "\n".join(map(said, values)) if isinstance(values, list | tuple) else "" if values is None else str(values)


@cache
def _simplified() -> Any:
    """Traditional Chinese to simplified, character by character and phrase by phrase."""
    import opencc

    return opencc.OpenCC("t2s")
