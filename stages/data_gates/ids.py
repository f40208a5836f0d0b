"""One id for two different rows: a sign that files were put together, or that an export went wrong."""

from __future__ import annotations

from collections.abc import Iterator

from stages.catalog import DataGate
from stages.corpus import Corpus, Finding
from stages.seen import Settings


def sift(corpus: Corpus, settings: Settings) -> Iterator[Finding]:
    """By the column `id` of the source; every row but the first that has it."""
    import numpy as np

    kept = corpus.kept()
    own = np.frombuffer(corpus.own, np.uint64)[kept]
    order = np.argsort(own, kind="stable")
    first = 0
    for n in range(1, len(order)):
        if own[order[n]] != own[order[first]]:
            first = n
        elif own[order[n]]:
            yield int(kept[order[n]]), "its id is that of another row", int(kept[order[first]])


DATA_GATE = DataGate("ids", "no id stands for two rows", "warn", sift=sift)
