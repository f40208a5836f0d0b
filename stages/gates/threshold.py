"""The primary metric of the chosen model on the test split reaches success_criteria.threshold."""

from __future__ import annotations

from stages.catalog import Gate
from stages.evidence import Evidence, Outcome, against


def judge(evidence: Evidence, bound: float) -> Outcome:
    figure = evidence.chosen.figures[evidence.primary]
    return against("threshold", evidence.primary, figure, bound, evidence.rows, confidence=evidence.confidence)


GATE = Gate("threshold", "the primary metric reaches the threshold", judge)
