"""Share of rows with the right label."""

from __future__ import annotations

from stages.base import Metric
from stages.metrics import exact_match

METRIC = Metric("accuracy", "share of rows with the right label", ("label",), exact_match.counts, exact_match.value)
