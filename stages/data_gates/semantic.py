"""Rows that say the same in other words, by the embeddings of a model that the user brings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from stages.catalog import DataGate
from stages.corpus import TRAINABLE, Corpus, Finding
from stages.meaning import pairs, vectors
from stages.seen import Settings


def sift(corpus: Corpus, settings: Settings) -> Iterator[Finding]:
    """Of rows to train on with the same answer and a cosine above data.dedupe.semantic, the first by id stays.

    Rows of all splits are compared, so that `splits` knows which of them say the same. Raises T602 without a model.
    """
    places = corpus.by_rank(corpus.kept().tolist())
    before: dict[int, list[int]] = defaultdict(list)
    corpus.meaning.clear()
    for one, other in pairs(vectors(corpus, places, settings.embedder, "semantic"), settings.semantic):
        corpus.meaning.append((places[one], places[other]))
        before[places[other]].append(places[one])
    dropped: set[int] = set()
    for place, others in before.items():
        twin = next((one for one in others if one not in dropped and _replaces(corpus, one, place)), None)
        if twin is not None:
            dropped.add(place)
            yield place, "the same in other words", twin


def _replaces(corpus: Corpus, one: int, other: int) -> bool:
    return bool(
        corpus.answers[one] == corpus.answers[other] and min(corpus.ranks[one], corpus.ranks[other]) >= TRAINABLE
    )


DATA_GATE = DataGate("semantic", "no two rows to train on say the same in other words", "off", sift=sift)
