"""Answers of the chosen model, as it is served, fit the contract."""

from __future__ import annotations

from stages.base import Gate
from stages.evidence import Evidence, Outcome, Status


def judge(evidence: Evidence, bound: float) -> Outcome:
    """By the point value: a bound of 0.99 on an all-valid test split would else need hundreds of rows to say so."""
    value = evidence.chosen.figures["schema_validity"]["value"]
    status: Status = "pass" if value >= bound else "fail"
    return Outcome("schema_validity", status, value, bound, f"{value:.1%} of {evidence.rows} answers fit the contract")


GATE = Gate("schema_validity", "answers fit the contract", judge)
