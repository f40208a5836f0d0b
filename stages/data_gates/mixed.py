"""A list or an object in an input field that holds a text in most rows, or the other way round: a slip of an export.

A field that is a list in every row is meant so: a template shows it as JSON, or goes through it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from stages.catalog import DataGate
from stages.corpus import Corpus, Finding
from stages.seen import Settings

_TEXT = "a text"  # and what is shown as one: a number, or true


def nested(input: Mapping[str, Any]) -> str:
    """The fields that hold a list or an object, as JSON; empty where none does."""
    kinds = {
        name: "a list" if isinstance(value, list) else "an object" for name, value in input.items() if _holds(value)
    }
    return json.dumps(kinds, sort_keys=True) if kinds else ""


def _holds(value: Any) -> bool:
    return isinstance(value, list | dict)


def sift(corpus: Corpus, settings: Settings) -> Iterator[Finding]:
    """Every row of which a field is of another kind than in most rows."""
    values, kept = corpus.values("nested"), corpus.kept().tolist()
    kinds = {value: json.loads(value) if value else {} for value in set(values)}
    for field in sorted({name for found in kinds.values() for name in found}):
        counts = Counter(kinds[values[place]].get(field, _TEXT) for place in kept)
        usual = max(sorted(counts), key=lambda kind: (counts[kind], kind == _TEXT))
        for place in kept:
            kind = kinds[values[place]].get(field, _TEXT)
            if kind != usual:
                yield place, f"the input field {field} is {kind}, and {usual} in most rows", None


DATA_GATE = DataGate("mixed", "an input field is of one kind in all rows", "reject", sift=sift)
