"""Entities that stand elsewhere than their row says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stages.catalog import DataGate
from stages.seen import Seen, Settings


def look(seen: Seen, settings: Settings) -> Iterator[str]:
    """Entities are {text, start, end}, in code points, in the column `entities` or in the answer."""
    for entity in _entities(seen):
        start, end, text = entity["start"], entity["end"], entity.get("text")
        if not all(isinstance(number, int) and not isinstance(number, bool) for number in (start, end)):
            yield "an entity's offsets are no whole numbers"
        elif not 0 <= start < end:
            yield "an entity ends before it begins"
        elif end > max(map(len, _texts(seen)), default=0):
            yield "an entity ends behind the text"
        elif isinstance(text, str) and all(given[start:end] != text for given in _texts(seen)):
            if any(text in given for given in _texts(seen)):
                yield "an entity stands elsewhere than its offsets say"
            else:
                yield "an entity does not stand in the text"


def _entities(seen: Seen) -> Iterator[dict[str, Any]]:
    for place in (seen.fields.get("entities"), seen.row.output):
        found = place if isinstance(place, list) else place.get("entities") if isinstance(place, dict) else None
        for entity in found if isinstance(found, list) else ():
            if isinstance(entity, dict) and "start" in entity and "end" in entity:
                yield entity


def _texts(seen: Seen) -> list[str]:
    return [value for value in seen.row.input.values() if isinstance(value, str)]


DATA_GATE = DataGate("offsets", "entities stand where their offsets say", "reject", look)
