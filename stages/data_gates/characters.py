"""Signs that a damaged text shows: it was read in a wrong encoding once, or cut out of a binary file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stages.catalog import DataGate
from stages.seen import Seen, Settings

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_MOJIBAKE = re.compile(r"Ã[\u0080-\u00bf]|â€[\u0080-\u00bf™œ\u009d]|ï»¿|å[\u0080-\u00bf]{2}")


def look(seen: Seen, settings: Settings) -> Iterator[str]:
    text = seen.everything
    if _CONTROL.search(text):
        yield "it holds a control character"
    if "\ufffd" in text:
        yield "it holds the sign for what could not be read (U+FFFD)"
    if not text.isascii() and _MOJIBAKE.search(text):
        yield "it looks read in a wrong encoding"


DATA_GATE = DataGate("characters", "texts are not damaged", "warn", look)
