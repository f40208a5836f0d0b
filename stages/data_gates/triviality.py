"""Rows with nothing to learn from."""

from __future__ import annotations

from collections.abc import Iterator

from stages.catalog import DataGate
from stages.counting import counted
from stages.seen import Seen, Settings

_REPEATED = 5  # times that its words come, on average
_LENGTH = 200  # words from which on a text needs no more different ones: their share falls with its length


def look(seen: Seen, settings: Settings) -> Iterator[str]:
    if not seen.words and not any(sign.isalnum() or ord(sign) > 0x2190 for sign in seen.text):
        yield "the input holds no word"
    elif len(seen.words) >= _REPEATED * 2 and len(set(seen.words)) * _REPEATED <= min(len(seen.words), _LENGTH):
        yield "the input says one thing again and again"
    elif len(seen.words) < settings.min_words:
        yield f"the input has fewer than {counted(settings.min_words, 'word')}"


DATA_GATE = DataGate("triviality", "every input says something", "reject", look)
