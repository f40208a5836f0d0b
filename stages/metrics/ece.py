"""Expected calibration error: how far a label's probability is from how often it is right.

Measured where answers have a probability: labels that are scored by likelihood (`evaluation.decoding: likelihood`), and
baselines that are classifiers. Source: Naeini et al. 2015, equal-width bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stages.catalog import Metric

if TYPE_CHECKING:
    from stages.judging import Judged

BINS = 10


def counts(judged: Sequence[Judged]) -> Any:
    """(N, 3 * BINS): for each bin of probability, rows, right ones, and the sum of probabilities."""
    import numpy as np

    if any(j.confidence is None for j in judged):
        return None
    found = np.zeros((len(judged), 3, BINS))
    for row, j in enumerate(judged):
        expected, said = j.labels
        found[row, :, bin_of(j.confidence or 0.0)] = (1, expected == said, j.confidence)
    return found.reshape(len(judged), -1)


def bin_of(confidence: float) -> int:
    """0 for [0, 0.1), and so on; 1.0 is in the last."""
    return min(int(confidence * BINS), BINS - 1)


def value(sums: Any) -> Any:
    import numpy as np

    rows, right, confidence = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, BINS), -2, 0)
    return np.abs(right - confidence).sum(axis=-1) / rows.sum(axis=-1)


METRIC = Metric("ece", "expected calibration error of label probabilities", ("label",), counts, value, lower=True)
