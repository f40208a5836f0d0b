"""Answers that are their own question."""

from __future__ import annotations

from collections.abc import Iterator

from stages.catalog import DataGate
from stages.likeness import words
from stages.seen import Seen, Settings


def look(seen: Seen, settings: Settings) -> Iterator[str]:
    """Of free texts alone: a label or a field may well stand in the input."""
    if seen.contract.type == "text" and seen.answer and seen.row.input and words(seen.answer) == seen.words:
        yield "the answer repeats the input"


DATA_GATE = DataGate("copying", "no answer repeats its input", "warn", look)
