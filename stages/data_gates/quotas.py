"""How many rows of a kind there are to be: by tag, label, or any column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stages.catalog import DataGate
from stages.corpus import Corpus, Finding
from stages.likeness import digest
from stages.seen import Settings


def sift(corpus: Corpus, settings: Settings) -> Iterator[Finding]:
    """Rows to train on above a quota's `max`; which of them go, a hash of their ids decides. A `min` that is missed
    drops no row: the report says it.
    """
    for quota in settings.quotas:
        if quota.get("max") is None:
            continue
        members, total = counted(corpus, quota)
        most = quota["max"] if quota["max"] >= 1 else int(quota["max"] * total)
        for place in sorted(members, key=lambda place: digest(corpus.name(place)))[int(most) :]:
            yield place, f"more than {quota['max']:g} rows have {quota['by']} {quota['value']}", None


def counted(corpus: Corpus, quota: dict[str, Any]) -> tuple[list[int], int]:
    """The places that a quota is about, and how many rows there are in all."""
    places = corpus.trainable().tolist()
    values = corpus.values(quota["by"])
    return [place for place in places if quota["value"] in values[place].split("\x1f")], len(places)


def missing(corpus: Corpus, settings: Settings) -> list[dict[str, Any]]:
    """Every quota with what there is: {by, value, rows, min, max, missing}."""
    found = []
    for quota in settings.quotas:
        members, total = counted(corpus, quota)
        least = quota.get("min") or 0
        wanted = int(least if least >= 1 else -(-least * total // 1))
        found.append({**quota, "rows": len(members), "missing": max(0, wanted - len(members))})
    return found


DATA_GATE = DataGate("quotas", "no kind of row is above its quota", "warn", sift=sift)
