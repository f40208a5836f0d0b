"""When two texts say the same: one way to compare, for duplicates, for conflicts and for leaks.

A text is what is left of it after NFKC, case, marks of direction and joining, punctuation and the script of Chinese are
taken away: its words, where a Chinese or Japanese character is a word of its own. Texts are alike by the Jaccard
similarity of their word trigrams.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

LENGTH = 3  # words of a shingle
MOVED = 8  # words that a text must have for its words in another order to count as the same
_HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_HAN}]|[^\W_{_HAN}]+")
_CHINESE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_UNSEEN = re.compile(r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")

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
