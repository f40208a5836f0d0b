"""Wrong answers in clusters: those of one kind together, large ones parted by what their inputs are about.

Each cluster is named by the terms that set its inputs apart, and says what to do: what is likely to blame, the repair,
and a quota of rows to bring that `generate.quotas` of a data factory takes as it stands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stages.failing import KINDS, failure
from stages.judging import Judged
from stages.metrics._words import words
from stages.rows import dumps

LEAST = 3  # rows of one field or label pair that are a cluster of their own
PARTED = 24  # rows of a cluster that is parted by its inputs, into pieces of about half as many
MOST = 40  # clusters that are told of
SHOWN = 5  # examples of each
TERMS = 4
LONGEST = 300  # characters of an example's text
QUOTA = (20, 100)  # targeted rows a cluster, at least and at most


def clusters(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """The largest first: {kind, what, terms, rows, share, cause, advice, quota, examples}."""
    wrong = sum(failure(j) is not None for j in judged)
    background = [_text(j) for j in judged]
    return [_told(kind, what, rows, wrong, background) for kind, what, rows in grouped(judged)]


def grouped(judged: Sequence[Judged]) -> list[tuple[str, str, list[Judged]]]:
    """(kind, what it is about, its rows), the largest first: the rows of `clusters`, cluster by cluster."""
    groups: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for j in judged:
        if (found := failure(j)) is not None:
            groups[found].append(j)
    for kind, what in sorted(groups):  # what is too rare for itself goes with its kind
        if what and len(groups[kind, what]) < LEAST:
            groups[kind, ""] += groups.pop((kind, what))
    parts = [(kind, what, part) for (kind, what), rows in sorted(groups.items()) for part in _parts(rows)]
    return sorted(parts, key=lambda part: (-len(part[2]), part[0], part[1], part[2][0].id))[:MOST]


def _told(kind: str, what: str, rows: Sequence[Judged], wrong: int, background: Sequence[str]) -> dict[str, Any]:
    terms = _terms([_text(j) for j in rows], background)
    count = max(QUOTA[0], min(QUOTA[1], 5 * len(rows)))
    about = ", ".join(filter(None, [kind, what, f"about {' '.join(terms)}" if terms else ""]))
    return {
        "kind": kind,
        "what": what,
        "terms": terms,
        "rows": len(rows),
        "share": len(rows) / wrong,
        "cause": KINDS[kind].cause,
        "advice": KINDS[kind].advice,
        "quota": {"category": about, "count": count},
        "examples": [_example(j) for j in sorted(rows, key=lambda j: j.id)[:SHOWN]],
    }


def _example(judged: Judged) -> dict[str, Any]:
    expected = judged.gold if isinstance(judged.gold, str) else dumps(judged.gold)
    return {"id": judged.id, "input": _cut(_text(judged)), "expected": _cut(expected), "said": _cut(judged.text)}


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _text(judged: Judged) -> str:
    return " ".join(value if isinstance(value, str) else dumps(value) for value in judged.input.values())


def _parts(rows: list[Judged]) -> Iterator[list[Judged]]:
    """A large cluster by what its inputs are about: k-means over the inputs' TF-IDF, the same every time."""
    if len(rows) < PARTED:
        yield rows
        return
    from sklearn.cluster import KMeans

    matrix = _vectors([_text(j) for j in rows])
    if matrix is None:
        yield rows
        return
    many = min(6, len(rows) // (PARTED // 2))
    places = KMeans(many, random_state=0, n_init=4).fit_predict(matrix)
    found: Mapping[int, list[Judged]] = {place: [] for place in sorted(set(places))}
    for place, j in zip(places, rows, strict=True):
        found[place].append(j)
    yield from found.values()


def _vectors(texts: Sequence[str]) -> Any:
    """Sparse TF-IDF rows; None where no word says anything."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        return TfidfVectorizer(analyzer=words, sublinear_tf=True, max_df=0.9, max_features=5_000).fit_transform(texts)
    except ValueError:  # every word stands in almost every text
        return None


def _terms(texts: Sequence[str], background: Sequence[str]) -> list[str]:
    """Words that are more frequent here than in all rows: share here times the log of how much more frequent."""
    import math

    here, all_ = (_shares(group) for group in (texts, background))
    weight = {
        term: share * math.log(share / all_[term])
        for term, share in here.items()
        if len(term) > 1 or not term.isascii()
    }
    best = sorted(weight, key=lambda term: (-weight[term], term))
    return [term for term in best if weight[term] > 0][:TERMS]


def _shares(texts: Sequence[str]) -> dict[str, float]:
    """Word -> in which share of the texts it stands."""
    found: dict[str, float] = defaultdict(float)
    for text in texts:
        for term in set(words(text)):
            found[term] += 1 / len(texts)
    return found
