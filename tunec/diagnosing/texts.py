"""What is seen in rows without a language model: which say the same, and what a linear model of words makes of them.

Everything is seeded, and of very many rows those are looked at that a hash draws: the same build, the same figures.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from stages.likeness import jaccard, said, shingles, words
from stages.rows import Row

MOST = 4_000  # rows of a part that a model of words is made of
ALIKE = 0.8
_COMMON = 50  # rows that a shingle may stand in and still lead from one to another
_FEWEST = 8  # words of a text that is looked for inside others
_FOLDS = 5


def text(row: Row) -> str:
    return said(row.input)


def drawn(rows: Sequence[Row], many: int = MOST) -> list[Row]:
    """At most so many, by a hash of their ids, in their order."""
    if len(rows) <= many:
        return list(rows)
    kept = {row.id for row in sorted(rows, key=lambda row: hashlib.sha256(row.id.encode()).digest())[:many]}
    return [row for row in rows if row.id in kept]


def told(rows: Iterable[Row], of: Sequence[Row]) -> dict[str, str]:
    """Row id -> id of one of `of` that says the same, nearly the same, or all that the row says and more."""
    whole = [(other.id, words(text(other))) for other in of]
    index: dict[str, list[int]] = defaultdict(list)
    sets = []
    for place, (_, found) in enumerate(whole):
        sets.append(set(shingles(found)))
        for one in sets[-1]:
            index[one].append(place)
    result = {}
    for row in rows:
        mine = words(text(row))
        own = set(shingles(mine))
        near = {place for one in own if len(index.get(one, ())) <= _COMMON for place in index.get(one, ())}
        same = next((p for p in sorted(near) if jaccard(own, sets[p]) >= ALIKE or _within(mine, own, sets[p])), None)
        if same is not None:
            result[row.id] = whole[same][0]
    return result


def _within(mine: Sequence[str], own: set[str], other: set[str]) -> bool:
    return len(mine) >= _FEWEST and own <= other


def vectors(texts: Sequence[str]) -> tuple[Any, Any]:
    """(sparse TF-IDF of words and pairs of words, what made it); None twice where no word says anything."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    made = TfidfVectorizer(analyzer=_grams, sublinear_tf=True, max_features=30_000)
    try:
        return made.fit_transform(texts), made
    except ValueError:
        return None, None


def _grams(of: str) -> list[str]:
    found = words(of)
    return found + [f"{a} {b}" for a, b in pairwise(found)]


def _one_thread() -> Any:
    """Sums this small take longer when several threads share them, and much longer beside another process."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)


def linear() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=3.0, max_iter=300, random_state=0)


class Doubts(NamedTuple):
    """rows: id -> the label that a model of words is sure of, where the row has another. missed: the share of rows
    whose label it does not foretell.
    """

    rows: Mapping[str, str]
    missed: float


def doubts(rows: Sequence[tuple[Row, str]]) -> Doubts | None:
    """Each row judged by a model that was made without it; None where there is nothing to tell apart.

    A model is sure of a label where it gives it at least the probability that it gives, on average, to rows that have
    it. Source: Northcutt, Jiang and Chuang 2021, confident learning.
    """
    import numpy as np
    from sklearn.model_selection import StratifiedKFold

    kept = _several(rows, _FOLDS)
    labels = np.array([label for _, label in kept])
    matrix, _ = vectors([text(row) for row, _ in kept]) if len(set(labels)) > 1 else (None, None)
    if matrix is None:
        return None
    names = np.unique(labels)
    chances = np.zeros((len(kept), len(names)))
    with _one_thread():
        for train, held in StratifiedKFold(_FOLDS, shuffle=True, random_state=0).split(matrix, labels):
            chances[held] = linear().fit(matrix[train], labels[train]).predict_proba(matrix[held])
    bounds = np.array([chances[labels == name, place].mean() for place, name in enumerate(names)])
    missed = float((names[chances.argmax(axis=1)] != labels).mean())
    return Doubts(_sure([row.id for row, _ in kept], labels, names, chances, bounds), missed)


def _sure(ids: Sequence[str], labels: Any, names: Any, chances: Any, bounds: Any) -> dict[str, str]:
    import numpy as np

    over = np.where(chances >= bounds, chances, -1.0)
    best = over.argmax(axis=1)
    return {
        ids[place]: str(names[best[place]])
        for place in range(len(ids))
        if over[place, best[place]] >= 0 and names[best[place]] != labels[place]
    }


def accuracy(train: Sequence[tuple[Row, str]], dev: Sequence[tuple[Row, str]]) -> float | None:
    """Of a model of words that is made of train, on dev; None where there is nothing to tell apart."""
    if len({label for _, label in train}) < 2 or not dev:
        return None
    matrix, made = vectors([text(row) for row, _ in train])
    if matrix is None:
        return None
    with _one_thread():
        model = linear().fit(matrix, [label for _, label in train])
    found = model.predict(made.transform([text(row) for row, _ in dev]))
    return float(sum(said == label for said, (_, label) in zip(found, dev, strict=True)) / len(dev))


def apart(one: Sequence[str], other: Sequence[str]) -> tuple[float, list[str]] | None:
    """How well a model of words tells two groups of texts apart, and the words of `other` that it goes by.

    The area under the ROC curve, held out, less two standard errors: 0.5 is not at all, 1 always.
    Source: Hanley and McNeil 1982 for the error; Rabanser et al. 2019 for a classifier that looks for a shift.
    """
    import numpy as np
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    if min(len(one), len(other)) < 2 * _FOLDS:
        return None
    matrix, made = vectors([*one, *other])
    if matrix is None:
        return None
    side = np.array([0] * len(one) + [1] * len(other))
    scores = np.zeros(len(side))
    model = linear().set_params(class_weight="balanced", C=1.0)
    with _one_thread():
        for train, held in StratifiedKFold(_FOLDS, shuffle=True, random_state=0).split(matrix, side):
            scores[held] = model.fit(matrix[train], side[train]).decision_function(matrix[held])
        weights = model.fit(matrix, side).coef_[0]
    area = float(roc_auc_score(side, scores))
    names = made.get_feature_names_out()
    telling = [str(names[place]) for place in np.argsort(-weights, kind="stable")[:6] if weights[place] > 0]
    return area - 2 * _error(area, len(other), len(one)), telling


def _error(area: float, ones: int, noughts: int) -> float:
    q1, q2 = area / (2 - area), 2 * area * area / (1 + area)
    spread = area * (1 - area) + (ones - 1) * (q1 - area * area) + (noughts - 1) * (q2 - area * area)
    return math.sqrt(max(0.0, spread) / (ones * noughts))


def distance(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    """Half the sum of how far the shares differ: 0 for the same, 1 for nothing in common."""
    sums = sum(one.values()) or 1, sum(other.values()) or 1
    return sum(abs(one.get(n, 0) / sums[0] - other.get(n, 0) / sums[1]) for n in {**one, **other}) / 2


def _several(rows: Sequence[tuple[Row, str]], least: int) -> list[tuple[Row, str]]:
    """Rows of labels that so many have."""
    many: dict[str, int] = defaultdict(int)
    for _, label in rows:
        many[label] += 1
    return [(row, label) for row, label in rows if many[label] >= least]
