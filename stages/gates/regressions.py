"""Critical rows that an earlier release got right. On wherever there are such rows; its bound is the share of them."""

from __future__ import annotations

from stages.catalog import Gate
from stages.evidence import Evidence, Outcome, Status

_NAMED = 5  # rows


def _judge(evidence: Evidence, bound: float) -> Outcome:
    """Rows that are no longer asked cannot be lost; so when none is left there is nothing to hold against it."""
    found = evidence.remembered
    rows, right, lost = found.get("rows", 0), found.get("right", 0), found.get("lost", [])
    if not rows:
        return Outcome("regressions", "pass", None, bound, "no row that an earlier release got right is asked any more")
    status: Status = "pass" if right >= bound * rows else "fail"
    more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    named = f"; lost: {', '.join(lost[:_NAMED])}{more}" if lost else ""
    reason = f"{right} of {rows} critical rows that an earlier release got right are right again{named}"
    return Outcome("regressions", status, right / rows, bound, reason)


GATE = Gate("regressions", "critical rows that an earlier release got right", _judge)
