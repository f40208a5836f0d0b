"""What nobody answered and no key of task.yaml shows: what each is taken to be, to be marked as an assumption."""

from __future__ import annotations

from tunec.advising import hardware
from tunec.coaching.case import Case

_ALWAYS = (
    *("problem", "today", "pain", "volume", "changes", "domain", "timeline", "non_goals", "more_data"),
    *("network", "data_may_leave", "baseline", "latency"),
)
_BUILT = ("none", "prompted")  # baselines that need no more words: the kind of task brings them


def decide(case: Case) -> None:
    for id in _ALWAYS:
        if case.said(id) is None:
            case.left[id] = case.words.say(f"left.{id}")
    if hardware.gpu(case.answers) in ("local", "remote") and not case.said("gpu_memory"):
        case.left["gpu_memory"] = case.words.say("left.gpu_memory")
    baseline = case.said("baseline")
    if baseline is not None and baseline not in _BUILT:
        case.left["baseline"] = case.words.say("left.unmeasured", what=case.words.say(f"choices.baseline.{baseline}"))
