"""Is fine-tuning worth it, and over what? The chosen file against the best of each kind that needs no training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stages.counting import counted
from stages.statistics import rows_needed

KINDS = {
    "no language model": ("majority", "rule", "tfidf", "nearest", "encoder"),
    "the base model, prompted": ("base", "prompted", "few_shot", "rag"),
    "a larger model": ("larger",),
}
ANSWERS = {
    "yes": "Fine-tuning is worth it",
    "no": "Fine-tuning is not worth it",
    "unsure": "It is open whether fine-tuning is worth it",
    "unasked": "Nothing was run that fine-tuning could be held against",
}


def worth(systems: Sequence[Mapping[str, Any]], primary: str, rows: int, confidence: float) -> dict[str, Any]:
    """{answer, title, why, over: [{kind, best, lead, low, high, p, units, alike, answer}]}; the kind that is hardest to
    beat decides.

    A larger model is told of, and does not decide: to be as good as one is often the very aim.
    """
    over = [found for kind, names in KINDS.items() if (found := _over(kind, names, systems))]
    deciding = [found for found in over if found["kind"] != "a larger model"]
    if not deciding:
        return {"answer": "unasked", "title": ANSWERS["unasked"], "why": "Switch on a baseline.", "over": over}
    hardest = min(deciding, key=lambda found: (found["lead"], found["best"]))
    answer = str(hardest["answer"])
    return {"answer": answer, "title": ANSWERS[answer], "why": _why(hardest, primary, rows, confidence), "over": over}


def _over(kind: str, names: Sequence[str], systems: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The system of this kind that the chosen file leads by least."""
    held = [s for s in systems if s["kind"] == "baseline" and s["ahead"] and _is_one(s["name"], names)]
    if not held:
        return None
    best = min(held, key=lambda system: (system["ahead"]["value"], system["name"]))
    lead = best["ahead"]
    answer = "yes" if lead["bound"] > 1e-12 else "no" if lead["value"] <= 0 else "unsure"
    ends = {"lead": lead["value"], "low": lead["low"], "high": lead["high"], "bound": lead["bound"]}
    return {
        "kind": kind,
        "best": best["name"],
        "answer": answer,
        "p": lead.get("p"),
        "detectable": lead.get("detectable"),
        "units": lead.get("units"),
        "alike": bool(lead.get("alike")),
        **ends,
    }


def _is_one(name: str, names: Sequence[str]) -> bool:
    return any(name == one or name.startswith(f"{one}-") for one in names)


def _why(found: Mapping[str, Any], primary: str, rows: int, confidence: float) -> str:
    lead = f"The chosen file leads {found['best']}, the best without training, by {found['lead']:.3f} in {primary}"
    if found["answer"] == "yes":
        return f"{lead}, surely by more than {max(0.0, found['bound']):.3f}, on {counted(rows, 'row')}."
    if found["answer"] == "no":
        return f"{found['best']} does as well without any training: the lead in {primary} is {found['lead']:.3f}."
    units, alike = found["units"] or rows, found["alike"]
    needed = rows_needed(found["lead"], found["bound"], 0.0, rows, units, confidence, alike=alike)
    more = f"; about {max(needed, rows + 1):,} would" if needed else ""
    return f"{lead}, but {counted(rows, 'row', 'does', 'do')} not show that it leads at all{more}."
