"""chrF: F-score of character n-grams, averaged over rows; by the library sacrebleu."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stages.catalog import Metric
from stages.metrics._share import share

if TYPE_CHECKING:
    from stages.judging import Judged


def counts(judged: Sequence[Judged]) -> Any:
    """(N, 2): the row's chrF between 0 and 1, and one a row."""
    import numpy as np
    from sacrebleu.metrics.chrf import CHRF

    chrf = CHRF()
    scores = (chrf.sentence_score(str(j.said or ""), [str(j.gold)]).score / 100 for j in judged)
    return np.array([(score, 1) for score in scores], dtype=float)


METRIC = Metric("chrf", "F-score of character n-grams", ("text",), counts, share)
