"""Rows that say the very same: the same input and the same answer."""

from __future__ import annotations

from collections.abc import Iterator

from stages.catalog import DataGate
from stages.corpus import Corpus, Finding
from stages.seen import Settings


def sift(corpus: Corpus, settings: Settings) -> Iterator[Finding]:
    """The one furthest from training stays, of several the first that was read."""
    import numpy as np

    kept = corpus.kept()
    ids, ranks = np.frombuffer(corpus.ids, np.uint64)[kept], np.frombuffer(corpus.ranks, np.int8)[kept]
    order = np.lexsort((kept, ranks, ids))
    ordered = ids[order]
    first = 0
    for n in range(1, len(order)):
        if ordered[n] == ordered[first]:
            yield int(kept[order[n]]), "a duplicate", int(kept[order[first]])
        else:
            first = n


DATA_GATE = DataGate("duplicates", "no row stands there twice", "reject", sift=sift, actions=("reject",))
