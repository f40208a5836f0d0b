"""Share of answers that keep every constraint of `evaluation.terms`: must_match, must_not_match, max_words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stages.metrics._rates import mean
from stages.metrics._words import words

if TYPE_CHECKING:
    from stages.judging import Judged


def kept(judged: Judged) -> float | None:
    """None where the task names no constraint."""
    terms, text = judged.terms, str(judged.said or "")
    if not (terms.must_match or terms.must_not_match or terms.max_words):
        return None
    matches = all(re.search(pattern, text) for pattern in terms.must_match)
    clean = not any(re.search(pattern, text) for pattern in terms.must_not_match)
    return float(matches and clean and (terms.max_words is None or len(words(text)) <= terms.max_words))


METRIC = mean("constraint_pass", "share of answers that keep the task's constraints", ("text",), kept)
