"""Share of rows whose answer has exactly the keys that are expected, at every depth, whatever their values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from stages.metrics._rates import mean

if TYPE_CHECKING:
    from stages.judging import Judged


def matched(judged: Judged) -> float:
    return float(judged.read and set(paths(judged.gold)) == set(paths(judged.said)))


def paths(value: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key with the keys above it; the items of a list stand under one name."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*at, str(name))
            yield from paths(inner, (*at, str(name)))
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, (*at, "[]"))


METRIC = mean("key_match", "share of answers with exactly the keys that are expected", ("json",), matched)
