"""TF-IDF of the message and logistic regression: what a label costs without any language model."""

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
    """The likeliest label with its probability."""
    from stages.baselines._linear import classified
    from stages.baselines._similar import features

    train = question.learned()
    made = features()
    known = made.fit_transform([question.message(row) for row in train]) if train else None
    labels = [str(row.output) for row in train]
    yield from classified(
        question, known, labels, lambda: made.transform([question.message(row) for row in question.rows])
    )


BASELINE = Baseline(
    "tfidf",
    "TF-IDF and logistic regression",
    answer,
    needs_train=True,
    libraries=("scikit-learn", "scipy", "numpy", "jinja2"),
    settled=SETTLED,
    allowed=allowed,
    fits=("label",),
)
