"""BLEU of the whole corpus, by the library sacrebleu; characters for words where a script has no blanks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stages.catalog import Metric
from stages.metrics._words import spaceless

if TYPE_CHECKING:
    from stages.judging import Judged


def counts(judged: Sequence[Judged]) -> Any:
    """(N, 10): n-grams that are right and n-grams said, for n from 1 to 4, and the lengths of answer and reference."""
    import numpy as np
    from sacrebleu.metrics.bleu import BLEU

    tokens = "zh" if any(spaceless(str(j.gold)) for j in judged) else "13a"
    bleu = BLEU(effective_order=True, tokenize=tokens)
    found = (bleu.sentence_score(str(j.said or ""), [str(j.gold)]) for j in judged)
    return np.array([[*s.counts, *s.totals, s.sys_len, s.ref_len] for s in found], dtype=float)


def value(sums: Any) -> Any:
    """Between 0 and 1."""
    import numpy as np

    return np.apply_along_axis(_bleu, -1, sums)


def _bleu(sums: Any) -> float:
    """One corpus: sacrebleu's own score from its own counts."""
    from sacrebleu.metrics.bleu import BLEU

    right, said, (answer, reference) = list(sums[:4]), list(sums[4:8]), sums[8:]
    return float(BLEU.compute_bleu(right, said, int(answer), int(reference), smooth_method="exp").score) / 100


METRIC = Metric("bleu", "corpus BLEU", ("text",), counts, value)
