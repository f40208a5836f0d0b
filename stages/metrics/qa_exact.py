"""Share of answers that are right whole, but for case, punctuation and articles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.metrics._answers import tokens
from stages.metrics._rates import mean

if TYPE_CHECKING:
    from stages.judging import Judged


def right(judged: Judged) -> float:
    return float(tokens(str(judged.gold)) == tokens(str(judged.said or "")))


METRIC = mean("qa_exact", "share of answers right but for case, punctuation and articles", ("text",), right)
