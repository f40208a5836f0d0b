"""ROUGE-2: F1 of pairs of words, averaged over rows; by the library rouge-score."""

from __future__ import annotations

from stages.catalog import Metric
from stages.metrics._rouge import rouge
from stages.metrics._share import share

METRIC = Metric("rouge_2", "F1 of word pairs that both texts have", ("text",), rouge("rouge2"), share)
