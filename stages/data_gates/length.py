"""Rows that are longer than any model of this size reads."""

from __future__ import annotations

from collections.abc import Iterator

from stages.catalog import DataGate
from stages.seen import Seen, Settings

_BYTES_A_TOKEN = 4  # of common tokenizers, about: the base model's own counts again before the training


def look(seen: Seen, settings: Settings) -> Iterator[str]:
    if len(seen.text) + len(seen.answer) > settings.max_tokens:  # a token has a byte at least
        about = len((seen.text + seen.answer).encode()) // _BYTES_A_TOKEN
        if about > settings.max_tokens:
            yield f"longer than {settings.max_tokens:,} tokens"


DATA_GATE = DataGate("length", "no row is longer than data.length.max_tokens", "reject", look)
