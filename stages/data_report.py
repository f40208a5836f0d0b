"""What the data stage counts. stages/data_tables.py writes it down for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stages.corpus import KEEP_FIRST, Corpus
from stages.data_gates.quotas import missing
from stages.judging_rows import actions
from stages.seen import Settings

if TYPE_CHECKING:
    from stages.data import Tally

_MOST = 20  # reasons of a gate that are listed
_CLUSTERS = 10  # of rows that are alike, the largest, and ids of each


def facts(corpus: Corpus, clusters: list[list[int]], settings: Settings) -> dict[str, Any]:
    """What the accepted rows are, whatever else stood in the sources: a duplicate there changes nothing here."""
    kept = corpus.kept().tolist()
    largest = sorted(clusters, key=lambda one: (-len(one), corpus.ids[one[0]]))[:_CLUSTERS]
    return {
        "accepted": len(kept),
        "official_splits": dict(Counter(str(KEEP_FIRST[corpus.ranks[place]]) for place in kept)),
        "labels": _counted(corpus, kept, "label"),
        "languages": _counted(corpus, kept, "language"),
        "licenses": _counted(corpus, kept, "license"),
        "tags": _counted(corpus, kept, "tag"),
        "held": _counted(corpus, kept, "personal"),
        "words": _lengths(corpus, kept),
        "quotas": missing(corpus, settings),
        "near": {
            "clusters": len(clusters),
            "rows": sum(map(len, clusters)),
            "largest": max(map(len, clusters), default=0),
            "first": [{"rows": len(one), "ids": list(map(corpus.name, one[:_CLUSTERS]))} for one in largest],
        },
    }


def report(corpus: Corpus, facts: Mapping[str, Any], tally: Tally, settings: Settings) -> dict[str, Any]:
    """The funnel, reasons by gate, and what the accepted rows are."""
    duplicates = sum(many for (gate, _), many in tally.reasons.items() if gate == "duplicates")
    reasons: Counter[str] = Counter()
    for (_, reason), many in tally.reasons.items():
        reasons[reason] += many
    return {
        **facts,
        "read": tally.read.total(),
        "rejected": tally.reasons.total(),
        "unanswered": tally.unanswered,
        "duplicates": duplicates,
        "reasons": dict(reasons.most_common(_MOST)),
        "gates": _gates(tally, actions(settings)),
        "files": _files(corpus, corpus.kept().tolist(), tally),
        "personal": dict(tally.personal),
    }


def _gates(tally: Tally, doing: Mapping[str, str]) -> dict[str, Any]:
    """Gate by gate, in the order that rows met them; the commonest reasons of each."""
    blank = {"rejected": 0, "flagged": 0}
    found: dict[str, Any] = {
        gate: {"action": doing.get(gate, "reject"), **blank, "reasons": {}, "examples": []}
        for gate, _ in (*tally.reasons, *tally.flags)
    }
    for what, counts in (("rejected", tally.reasons), ("flagged", tally.flags)):
        for (gate, reason), many in counts.most_common():
            told = found[gate]
            told[what] += many
            if len(told["reasons"]) < _MOST:
                told["reasons"][reason] = told["reasons"].get(reason, 0) + many
                told["examples"].append({"reason": reason, "rows": many, "examples": tally.examples[gate, reason]})
    return found


def _files(corpus: Corpus, kept: list[int], tally: Tally) -> dict[str, Any]:
    accepted = Counter(corpus.sources[place] for place in kept)
    named = {corpus.files[number]: many for number, many in accepted.items()}
    return {file: {"read": many, "accepted": named.get(file, 0)} for file, many in tally.read.items()}


def _counted(corpus: Corpus, kept: list[int], trait: str) -> dict[str, int]:
    values = corpus.values(trait)
    counts = Counter(value for place in kept for value in values[place].split("\x1f") if value)
    return dict(counts)


def _lengths(corpus: Corpus, kept: list[int]) -> dict[str, int]:
    """Words of the inputs, at the median, the 95th percentile and the longest; 1,000 stands for more."""
    values = corpus.values("words")
    found = sorted(int(values[place]) for place in kept)
    return (
        {"median": found[len(found) // 2], "p95": found[int(0.95 * (len(found) - 1))], "longest": found[-1]}
        if found
        else {}
    )
