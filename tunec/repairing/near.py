"""Texts that are near to a cluster: train rows to begin from, and unlabelled rows that are worth a label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stages.likeness import said
from stages.rows import Row
from tunec.diagnosing import texts
from tunec.diagnosing.build import Build
from tunec.repairing.rounds import Target


def nearest(target: Target, build: Build, of: Sequence[str], many: int) -> list[int]:
    """Places of the texts that are most like the cluster's dev rows, by the cosine of their words; ties by place."""
    import numpy as np

    wanted = set(target.rows)
    ours = [texts.text(row) for row in build.dev if row.id in wanted]
    matrix, _ = texts.vectors([*of, *ours])
    if matrix is None or not of:
        return list(range(min(many, len(of))))
    middle = np.asarray(matrix[len(of) :].mean(axis=0)).ravel()
    likeness: Any = matrix[: len(of)] @ middle
    return [int(place) for place in np.argsort(-likeness, kind="stable")[:many]]


def parents(target: Target, build: Build, many: int) -> list[Row]:
    """Train rows to begin from: never the dev rows themselves, which would leak."""
    train = build.train
    return [train[place] for place in nearest(target, build, [texts.text(row) for row in train], many)]


def shown(row: Row) -> str:
    """A row's input on one line."""
    return " ".join(said(row.input).split())
