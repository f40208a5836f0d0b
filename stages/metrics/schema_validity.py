"""Share of rows whose delivered answer fits the contract."""

from __future__ import annotations

from stages.metrics._rates import mean

METRIC = mean(
    "schema_validity", "share of answers that fit the contract", ("json", "label"), lambda judged: judged.valid
)
