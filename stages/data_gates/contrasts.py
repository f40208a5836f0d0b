"""Inputs that are nearly the same and have other labels: a pair that is meant to teach the difference, or a mistake."""

from __future__ import annotations

from collections.abc import Iterator

from stages.catalog import DataGate
from stages.corpus import TRAINABLE, Corpus, Finding
from stages.seen import Settings

MEANT = "near-miss"  # the tag of rows that are like another one on purpose
_COMPARED = 64  # rows of one cluster that another one is held against


def sift(corpus: Corpus, settings: Settings) -> Iterator[Finding]:
    """Of rows to train on, each that is like an earlier one of another label, and none of the two is a near-miss.

    The same input with two answers is the gate consistency's.
    """
    labels, tags = corpus.values("label"), corpus.values("tag")
    for members in corpus.clusters(settings.threshold):
        looked: list[int] = []
        for place in members:
            if corpus.ranks[place] < TRAINABLE or not labels[place] or MEANT in tags[place].split("\x1f"):
                continue
            others = (one for one in looked if labels[one] != labels[place])
            other = next((one for one in others if corpus.alike(one, place, settings.threshold)), None)
            if other is not None:
                yield place, "nearly the same input has another label", other
            if len(looked) < _COMPARED:
                looked.append(place)


DATA_GATE = DataGate("contrasts", "no two inputs that are nearly the same have other labels", "warn", sift=sift)
