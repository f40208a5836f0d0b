"""Inputs that are answered in two ways. A model cannot learn both, and nobody knows which is right."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from stages.catalog import DataGate
from stages.corpus import Corpus, Finding
from stages.seen import Settings


def sift(corpus: Corpus, settings: Settings) -> Iterator[Finding]:
    """Rows to train on whose inputs are the same but for case, blanks, punctuation and script. None of them is taken.

    Free texts have many right answers, and pairs and verdicts have several on purpose: neither is looked at.
    """
    import numpy as np

    if corpus.contract.type == "text" or corpus.verdicts:
        return
    places = corpus.trainable()
    keys = np.frombuffer(corpus.keys, np.uint64)[places]
    order = np.argsort(keys, kind="stable")
    edges = [0, *(np.flatnonzero(np.diff(keys[order])) + 1).tolist(), len(order)]
    for start, end in itertools.pairwise(edges):
        if end - start > 1:
            yield from _conflicts(corpus, places[order[start:end]].tolist())


def _conflicts(corpus: Corpus, places: list[int]) -> Iterator[Finding]:
    if len({corpus.answers[place] for place in places}) < 2:
        return
    for place in places:
        other = next(one for one in places if corpus.answers[one] != corpus.answers[place])
        yield place, "the same input has another answer", other


DATA_GATE = DataGate("consistency", "no input has two answers", "reject", sift=sift)
