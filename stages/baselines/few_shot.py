"""The base model with the contract in its prompt, and the most similar train rows as examples before the message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stages.baselines._options import option, taking, whole
from stages.catalog import Baseline

if TYPE_CHECKING:
    from stages.answers import Answer
    from stages.baselines._ask import Question

SHOTS = 4


def answer(question: Question) -> Iterator[Answer]:
    """The most similar example stands last, next to the message. Examples that do not fit the context are left out."""
    from stages.baselines._ask import ask_with
    from stages.baselines._similar import nearest

    train = question.learned()
    known = [(question.message(row), question.contract.write(row.output)) for row in train]
    asked = [question.message(row) for row in question.rows]
    count = option(question.options, "k", SHOTS)
    places = nearest([message for message, _ in known], asked, count) if train else [[] for _ in asked]
    shots = [[known[place] for place in reversed(found)] for found in places]
    return ask_with(question, asked, shots)


BASELINE = Baseline(
    "few_shot",
    "the base model with similar train rows as examples",
    answer,
    needs_model=True,
    needs_train=True,
    libraries=("scikit-learn", "scipy", "numpy"),
    settled={"prompting.mode": "contract"},
    allowed=taking(k=whole(1, 32)),
)
