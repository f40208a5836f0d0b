"""The answer of the train row whose message is most like the row's: what copying is worth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stages.baselines.majority import allowed
from stages.baselines.rule import SETTLED
from stages.catalog import Baseline

if TYPE_CHECKING:
    from stages.answers import Answer
    from stages.baselines._ask import Question


def answer(question: Question) -> Iterator[Answer]:
    """With no train rows, an empty text."""
    from stages.answers import Answer
    from stages.baselines._similar import nearest

    train, asked = question.learned(), [question.message(row) for row in question.rows]
    places = nearest([question.message(row) for row in train], asked, 1) if train else [[] for _ in asked]
    for row, found in zip(question.rows, places, strict=True):
        text = question.contract.write(train[found[0]].output) if found else ""
        yield Answer(row.id, text, text, 0, "stop")


BASELINE = Baseline(
    "nearest",
    "the answer of the most similar train row",
    answer,
    needs_train=True,
    libraries=("scikit-learn", "scipy", "numpy", "jinja2"),
    settled=SETTLED,
    allowed=allowed,
)
