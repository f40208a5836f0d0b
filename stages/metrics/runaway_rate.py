"""Share of answers that do not end of themselves: cut at `evaluation.max_new_tokens`, or one phrase over and over.

Lower is better. Looked at is what the model says freely, for a grammar ends many an answer that would not end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stages.metrics._rates import mean

if TYPE_CHECKING:
    from stages.judging import Judged

_AGAIN = re.compile(r"(.{4,80}?)\1{5,}", re.DOTALL)  # a phrase, and five times more
LONGEST = 4_000  # characters that are looked at, from the end


def ran_away(judged: Judged) -> float:
    return float(judged.finish == "length" or repeats(judged.free))


def repeats(text: str) -> bool:
    """Whether a phrase stands six times in a row."""
    return _AGAIN.search(text[-LONGEST:]) is not None


METRIC = mean(
    "runaway_rate", "share of answers that do not end of themselves", ("json", "label", "text"), ran_away, lower=True
)
