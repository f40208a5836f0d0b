"""Which texts are like which: by TF-IDF of words and characters, and by BM25. Works without blanks between words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from stages import progress
from stages.metrics._words import words

CHUNK = 256  # rows that are compared at once
K1, B = 1.5, 0.75  # BM25's usual constants


def features() -> Any:
    """Words and pairs of words, and runs of two to four characters within words, weighed by TF-IDF."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    by_word = TfidfVectorizer(analyzer=_grams, sublinear_tf=True)
    by_character = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, max_features=200_000)
    return make_union(by_word, by_character)


def _grams(text: str) -> list[str]:
    found = words(text)
    return found + [f"{a} {b}" for a, b in pairwise(found)]


def nearest(known: Sequence[str], asked: Sequence[str], count: int) -> list[list[int]]:
    """For each asked text the places of the `count` known ones of the highest cosine, the best first; ties by place."""
    made = features()
    weights = made.fit_transform(known)
    progress.tell(0, None, progress.READY)
    return _best(weights, made.transform(asked), count)


def bm25(known: Sequence[str], asked: Sequence[str], count: int) -> list[list[int]]:
    """The same by BM25. Source: Robertson and Zaragoza 2009; the idf of Lucene, which is never negative."""
    import numpy as np
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(analyzer=words)
    counts = csr_matrix(vectorizer.fit_transform(known), dtype=float)
    many, lengths = counts.shape[0], np.asarray(counts.sum(axis=1)).ravel()
    rows = np.repeat(np.arange(many), np.diff(counts.indptr))
    among = np.bincount(counts.indices, minlength=counts.shape[1])
    rarity = np.log1p((many - among + 0.5) / (among + 0.5))
    length = K1 * (1 - B + B * lengths[rows] / max(lengths.mean(), 1e-9))
    counts.data = rarity[counts.indices] * counts.data * (K1 + 1) / (counts.data + length)
    progress.tell(0, None, progress.READY)
    return _best(counts, vectorizer.transform(asked), count)


def _best(known: Any, asked: Any, count: int) -> list[list[int]]:
    import numpy as np

    found: list[list[int]] = []
    for begin in range(0, asked.shape[0], CHUNK):
        scores = (asked[begin : begin + CHUNK] @ known.T).toarray()
        found += np.argsort(-scores, axis=1, kind="stable")[:, :count].tolist()
    return found
