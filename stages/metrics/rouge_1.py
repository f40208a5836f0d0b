"""ROUGE-1: F1 of words, averaged over rows; by the library rouge-score."""

from __future__ import annotations

from stages.catalog import Metric
from stages.metrics._rouge import rouge
from stages.metrics._share import share

METRIC = Metric("rouge_1", "F1 of words that both texts have", ("text",), rouge("rouge1"), share)
