"""ROUGE-L: F1 of the longest common subsequence of words, averaged over rows; by the library rouge-score."""

from __future__ import annotations

from stages.catalog import Metric
from stages.metrics._rouge import rouge
from stages.metrics._share import share

METRIC = Metric("rouge_l", "longest common subsequence of words", ("text",), rouge("rougeL"), share)
