"""Rows under a licence that the task refuses, or under none that is known."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from stages.catalog import DataGate
from stages.likeness import said
from stages.seen import Seen, Settings


def name(seen: Seen, settings: Settings) -> str | None:
    """The licence of a row in lower case; None where rows have none, and an empty text where this one's is missing."""
    column = settings.license_column or next((c for c in ("license", "licence") if c in seen.fields), None)
    return said(seen.fields.get(column)).strip().lower() if column else None


def look(seen: Seen, settings: Settings) -> Iterator[str]:
    found = name(seen, settings)
    if found is None:
        return
    if any(fnmatchcase(found or "none", pattern.lower()) for pattern in settings.refused_licenses):
        yield f"its licence is refused: {found or 'none'}"


DATA_GATE = DataGate("licenses", "no row is under a licence of data.licenses.refuse", "reject", look)
