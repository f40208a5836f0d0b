"""Of the questions that have no answer, how many got one. Lower is better."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.metrics._answers import unanswerable
from stages.metrics._rates import mean

if TYPE_CHECKING:
    from stages.judging import Judged


def invented(judged: Judged) -> float | None:
    """A question has none where the right answer is empty, or one of `evaluation.terms.unanswerable`."""
    markers = judged.terms.unanswerable
    return None if not unanswerable(judged.gold, markers) else float(not unanswerable(judged.said, markers))


METRIC = mean(
    "hallucination_rate", "share of unanswerable questions that got an answer", ("text",), invented, lower=True
)
