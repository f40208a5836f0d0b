"""F1 of the words of answer and right answer, averaged over rows, as SQuAD has it; of characters in Chinese."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from stages.metrics._answers import tokens
from stages.metrics._rates import mean

if TYPE_CHECKING:
    from stages.judging import Judged


def f1(judged: Judged) -> float:
    """1 where neither side has any word."""
    gold, said = (Counter(tokens(str(text))) for text in (judged.gold, judged.said or ""))
    if not gold or not said:
        return float(gold == said)
    return 2 * (gold & said).total() / (gold.total() + said.total())


METRIC = mean("qa_f1", "F1 of the words of answer and right answer", ("text",), f1)
