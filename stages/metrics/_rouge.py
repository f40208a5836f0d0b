"""ROUGE by the library rouge-score, with words of every script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from stages.metrics._words import words

if TYPE_CHECKING:
    from stages.judging import Judged


class _Words:
    """The library's own tokens are of ASCII alone."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


def rouge(kind: str) -> Callable[[Sequence[Judged]], Any]:
    """`counts` of a metric. kind: rouge1, rouge2 or rougeL."""

    def counts(judged: Sequence[Judged]) -> Any:
        """(N, 2): the row's F1, and one a row. An answer that cannot be read has none."""
        import numpy as np
        from rouge_score.rouge_scorer import RougeScorer

        scorer = RougeScorer([kind], tokenizer=_Words())
        scores = (scorer.score(str(j.gold), str(j.said or ""))[kind].fmeasure for j in judged)
        return np.array([(score, 1) for score in scores], dtype=float)

    return counts
