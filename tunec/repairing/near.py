"""Texts that are near to a cluster of wrong dev rows: train rows to begin from, unlabelled rows that are worth a label,
and the words that it is called by.

People and teachers write train rows from what a round says of a cluster, so no word of a dev row stands in it: the
words are those of the train rows near it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from stages.likeness import said
from stages.rows import Row
from tunec.diagnosing import texts
from tunec.diagnosing.build import Build

_FEWEST = 20  # train rows near a cluster, whose words tell what it is about


def nearest(cluster: Collection[str], build: Build, of: Sequence[str], many: int) -> list[int]:
    """Places of the texts that are most like the cluster's dev rows, by the cosine of their words; ties by place.
    cluster: ids of those rows.
    """
    import numpy as np

    ours = [texts.text(row) for row in build.dev if row.id in cluster]
    matrix, _ = texts.vectors([*of, *ours])
    if matrix is None or not of:
        return list(range(min(many, len(of))))
    middle = np.asarray(matrix[len(of) :].mean(axis=0)).ravel()
    likeness: Any = matrix[: len(of)] @ middle
    return [int(place) for place in np.argsort(-likeness, kind="stable")[:many]]


def parents(cluster: Collection[str], build: Build, many: int) -> list[Row]:
    """Train rows to begin from: never the dev rows themselves, which would leak."""
    train = build.train
    return [train[place] for place in nearest(cluster, build, [texts.text(row) for row in train], many)]


def words(cluster: Collection[str], build: Build) -> tuple[str, ...]:
    """What sets the train rows near a cluster apart from all others."""
    from stages.clusters import terms

    near = parents(cluster, build, max(_FEWEST, len(cluster)))
    return tuple(terms([texts.text(row) for row in near], [texts.text(row) for row in build.train]))


def shown(row: Row) -> str:
    """A row's input on one line."""
    return " ".join(said(row.input).split())
