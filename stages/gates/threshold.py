"""The primary metric of the chosen model on the test split reaches success_criteria.threshold."""

from __future__ import annotations

from stages.catalog import Gate
from stages.evidence import Evidence, Outcome, against


def judge(evidence: Evidence, bound: float) -> Outcome:
    figure = evidence.chosen.figures[evidence.primary]
    said = (figure["value"], figure["bound"], bound, evidence.rows)
    return against("threshold", evidence.primary, *said, confidence=evidence.confidence)


GATE = Gate("threshold", "the primary metric reaches the threshold", judge)
