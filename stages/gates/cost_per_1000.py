"""What a thousand requests cost on the machine that serves, by the time that it is busy with them."""

from __future__ import annotations

from stages.catalog import Gate
from stages.evidence import Evidence, Outcome, Status

NAME = "cost_per_1000"


def judge(evidence: Evidence, bound: float) -> Outcome:
    """By the seconds of the chosen file, one request at a time; the price is that of task.yaml's section `cost`."""
    value = evidence.speed.get(NAME)
    if value is None:
        return Outcome(NAME, "not_enough_evidence", None, bound, "an hour of the serving machine has no price")
    status: Status = "pass" if value <= bound else "fail"
    return Outcome(NAME, status, float(value), bound, f"{value:.4f} a thousand requests; allowed {bound:g}")


GATE = Gate(NAME, "what a thousand requests cost", judge)
