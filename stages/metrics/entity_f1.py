"""Strict F1 over (type, text) entities, micro-averaged over all rows; agrees with seqeval's f1_score.

An entity is an object of a list with `type` (or `label`) and `text` (or `value`, or `start` and `end`), or a value of a
field that names its type.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from stages.catalog import Metric
from stages.metrics.slot_f1 import slots, value
from stages.rows import dumps

if TYPE_CHECKING:
    from stages.judging import Judged

TYPES, PLACES = ("type", "label", "entity"), ("start", "end", "text", "value")


def counts(judged: Sequence[Judged]) -> Any:
    """(N, 3): entities that both sides have, entities said in all, entities expected in all."""
    import numpy as np

    both = [(entities(j.gold), entities(j.said)) for j in judged]
    return np.array([((g & s).total(), s.total(), g.total()) for g, s in both], dtype=float)


def entities(answer: Any) -> Counter[tuple[str, str]]:
    """Of a list of objects, or of an object's lists of objects, each object; otherwise an object's (field, value)."""
    found = list(_objects(answer))
    return Counter(map(_entity, found)) if found else slots(answer)


def _objects(answer: Any) -> Iterator[dict[str, Any]]:
    lists = [answer] if isinstance(answer, list) else answer.values() if isinstance(answer, dict) else ()
    for items in lists:
        if isinstance(items, list):
            yield from (item for item in items if isinstance(item, dict))


def _entity(item: dict[str, Any]) -> tuple[str, str]:
    kind = next((item[name] for name in TYPES if name in item), None)
    place = {name: item[name] for name in PLACES if name in item}
    return dumps(kind), dumps(place or item, sort_keys=True)


METRIC = Metric("entity_f1", "strict F1 over (type, text) entities", ("json",), counts, value)
