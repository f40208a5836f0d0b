"""Rows that say nearly the same: inputs that share most of their word trigrams, with the same answer."""

from __future__ import annotations

from collections.abc import Iterator

from stages.catalog import DataGate
from stages.corpus import TRAINABLE, Corpus, Finding
from stages.likeness import jaccard, said, shingles, words
from stages.seen import Settings

_COMPARED = 64  # rows of one cluster that another one is held against


def sift(corpus: Corpus, settings: Settings) -> Iterator[Finding]:
    """Of those that may be trained on, the first by id stays. A row that only its neighbour's neighbour is like stays.

    Rows of other splits are neither dropped, nor is anything dropped for them here: that is the split's to decide.
    """
    for members in corpus.clusters(settings.threshold):
        kept: list[int] = []
        for place in members:
            if corpus.ranks[place] < TRAINABLE:
                continue
            twin = next((one for one in kept if _same(corpus, one, place, settings.threshold)), None)
            if twin is not None:
                yield place, "nearly a duplicate", twin
            elif len(kept) < _COMPARED:
                kept.append(place)


def _same(corpus: Corpus, one: int, other: int, threshold: float) -> bool:
    return _same_answer(corpus, one, other, threshold) and corpus.alike(one, other, threshold)


def _same_answer(corpus: Corpus, one: int, other: int, threshold: float) -> bool:
    """Of free texts, those that are nearly the same; of all others, the same."""
    if corpus.answers[one] == corpus.answers[other] or corpus.contract.type != "text":
        return bool(corpus.answers[one] == corpus.answers[other])
    left, right = (set(shingles(words(said(corpus.row(place).output)))) for place in (one, other))
    return jaccard(left, right) >= threshold


DATA_GATE = DataGate("near", "no two rows to train on are nearly the same", "reject", sift=sift)
