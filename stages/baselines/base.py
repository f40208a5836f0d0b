"""The base model with the very prompt that the tuned model gets: what training adds to the weights."""

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


BASELINE = Baseline("base", "the base model, prompted as the tuned one", answer, needs_model=True, allowed=allowed)
