"""ROUGE-L: F1 of the longest common subsequence of words, averaged over rows; by the library rouge-score."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stages.base import Metric
from stages.metrics.exact_match import value

if TYPE_CHECKING:
    from stages.judging import Judged

# A word, or one character of a script that puts no blanks between words.
_TOKENS = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)


class _Words:
    """The library's own tokens are of ASCII alone."""

    def tokenize(self, text: str) -> list[str]:
        return _TOKENS.findall(text.lower())


def counts(judged: Sequence[Judged]) -> Any:
    """(N, 2): the row's F1, and one a row. An answer that cannot be read has none."""
    import numpy as np
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], tokenizer=_Words())
    scores = (scorer.score(str(j.gold), str(j.said or ""))["rougeL"].fmeasure for j in judged)
    return np.array([(score, 1) for score in scores], dtype=float)


METRIC = Metric("rouge_l", "longest common subsequence of words", ("text",), counts, value)
