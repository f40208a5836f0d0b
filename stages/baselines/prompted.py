"""The base model with the whole contract in the prompt: what one has without any training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stages.baselines.majority import allowed
from stages.catalog import Baseline

if TYPE_CHECKING:
    from stages.answers import Answer
    from stages.baselines._ask import Question


def answer(question: Question) -> Iterator[Answer]:
    from stages.baselines._ask import ask_base_model

    return ask_base_model(question)


BASELINE = Baseline(
    "prompted",
    "the base model with the contract in its prompt",
    answer,
    needs_model=True,
    settled={"prompting.mode": "contract"},
    allowed=allowed,
)
