"""Golden rows that the chosen file has wrong: at most so many, which is none by default."""

from __future__ import annotations

from stages.catalog import Gate
from stages.evidence import Evidence, Outcome, Status


def judge(evidence: Evidence, bound: float) -> Outcome:
    """With no golden rows nothing can be lost. Rows are counted whole, for each was put there by hand."""
    found = evidence.beside.get("golden")
    wrong = list(found.get("wrong", ())) if found else []
    if found is None:
        return Outcome("golden_errors", "pass", 0.0, bound, "there are no golden rows, so none is lost")
    status: Status = "pass" if len(wrong) <= bound else "fail"
    named = f": {', '.join(wrong[:5])}{' …' if len(wrong) > 5 else ''}" if wrong else ""
    reason = f"{len(wrong)} of {found['rows']} golden rows are wrong{named}; allowed {bound:g}"
    return Outcome("golden_errors", status, float(len(wrong)), bound, reason)


GATE = Gate("golden_errors", "golden rows that are wrong, at most", judge)
