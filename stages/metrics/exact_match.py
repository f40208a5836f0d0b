"""Share of rows whose whole answer is right."""

from __future__ import annotations

from stages.metrics._rates import mean

METRIC = mean(
    "exact_match", "share of rows with the whole answer right", ("json", "label", "text"), lambda judged: judged.right
)
