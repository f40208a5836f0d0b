"""Patterns of the user's own, column by column."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from stages.catalog import DataGate
from stages.likeness import said
from stages.seen import Seen, Settings


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def look(seen: Seen, settings: Settings) -> Iterator[str]:
    """`data.patterns` is column -> regular expression that must be found in it; with `!` before, must not."""
    for column, pattern in settings.patterns.items():
        text = said(seen.fields.get(column))
        wanted = not pattern.startswith("!")
        if bool(_compiled(pattern.removeprefix("!")).search(text)) is not wanted:
            yield f"{column} {'lacks' if wanted else 'holds'} the pattern of data.patterns"


DATA_GATE = DataGate("patterns", "columns match data.patterns", "reject", look)
