"""The chosen model is better than every baseline (or the named one) by a margin, pair by pair on the same rows."""

from __future__ import annotations

from stages.catalog import Gate
from stages.evidence import Evidence, Outcome, against


def judge(evidence: Evidence, bound: float) -> Outcome:
    """The narrowest lead decides. With no baseline there is nothing to beat, and so nothing is shown."""
    leads = {name: lead for name, lead in evidence.ahead.items() if evidence.others[name].kind == "baseline"}
    if evidence.rival:  # an instance is named after its baseline, and its model where it has one
        leads = {name: lead for name, lead in leads.items() if f"{name}-".startswith(f"{evidence.rival}-")}
    if not leads:
        return Outcome("beats_baselines", "not_enough_evidence", None, bound, "no baseline was run")
    name, lead = min(leads.items(), key=lambda item: (item[1]["value"], item[0]))
    what = f"the lead in {evidence.primary} over {name}"
    if lead["value"] <= 0 <= bound:  # as good as a baseline is not better, whatever the rows
        reason = f"{what} is {lead['value']:.3f}: it is no better"
        return Outcome("beats_baselines", "fail", lead["value"], bound, reason)
    more, confidence = bound == 0, evidence.confidence  # to be better takes more than nothing; a margin is reached
    return against("beats_baselines", what, lead, bound, evidence.rows, more=more, confidence=confidence)


GATE = Gate("beats_baselines", "better than every baseline", judge)
