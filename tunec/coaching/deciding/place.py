"""Where it is trained, where it runs, how releases are numbered and kept; and what a month of it is to cost."""

from __future__ import annotations

from tunec.advising import hardware
from tunec.coaching.case import Case

_STRATEGY = {"huggingface": "semantic", "ollama": "semantic", "api": "date", "local": "semantic"}
_SMALL = 1_000  # requests a month: below it, cost can hardly be the trouble


def decide(case: Case) -> None:
    _execution(case)
    _cost(case)
    _versions(case)


def _execution(case: Case) -> None:
    gpu, host = hardware.gpu(case.answers), case.said("gpu_host")
    if gpu == "none" and (memory := case.said("gpu_memory")):
        case.against("memory_without_gpu", said=f"{memory:g} GB", have=f"{hardware.here().memory / 1e9:.1f} GB")
    if gpu == "remote" and host:
        case.put("execution.type", "remote_ssh", "answer", "host")
        case.put("execution.host", host, "answer", "you")
        return
    if host:
        case.against("host_without_gpu")
    ground, why = {"remote": ("assumed", "no_host"), "local": ("answer", "local_gpu")}.get(
        gpu or "", ("assumed", "trained_here")
    )
    if gpu == "none":
        ground, why = "answer", "you"
    if gpu == "local" and not case.said("gpu"):
        ground, why = "assumed", "gpu_by_memory"
    case.put("execution.type", "local", ground, why)  # type: ignore[arg-type]


def _cost(case: Case) -> None:
    volume, pain = case.said("volume"), case.said("pain") or []
    if volume is not None:
        case.put("cost.requests_per_month", volume, "answer", "volume")
        if "cost" in pain and volume < _SMALL:
            case.against("pain_volume", volume=f"{volume:,}")
    if "none" in pain and len(pain) > 1:
        others = ", ".join(case.words.say(f"choices.pain.{name}") for name in pain if name != "none")
        case.against("pain_none", others=others)
    if "privacy" in pain and case.said("data_may_leave"):
        case.against("privacy_leaves")
    if case.said("data_may_leave") is False:
        case.put("cost.data_may_leave", False, "answer", "stays")
        for id, hears in (("more_data", "teacher"), ("baseline", "larger")):
            if case.said(id) == hears:
                case.against(f"{hears}_leaves")


def _versions(case: Case) -> None:
    target = case.said("deploy")
    stays = target == "huggingface" and case.said("data_may_leave") is False
    if stays:
        case.against("leaves", target="HuggingFace Hub")
        target = "local"
    if target == "huggingface" and case.said("network") is False:
        case.against("offline_hub", target="HuggingFace Hub")
    called = case.words.say(f"choices.deploy.{target}") if target else ""
    if target:
        case.put("versioning.deploy_target", target, "answer", "stays_local" if stays else "you")
    else:
        case.put("versioning.deploy_target", "local", "assumed", "default_target")
    if not case.answered("versioning.strategy", "strategy"):
        strategy = _STRATEGY[case.value("versioning.deploy_target")]
        ground = "table" if target else "assumed"
        case.put("versioning.strategy", strategy, ground, "by_target" if target else "default_target", target=called)  # type: ignore[arg-type]
    once, kept = case.said("iterations") == "once", case.said("retention")
    if once and (changes := case.said("changes")) in ("weekly", "monthly"):
        case.against("changes_once", changes=case.words.say(f"choices.changes.{changes}"))
    if kept is not None and kept >= 1:
        case.put("versioning.retention", int(kept), "answer", "you")
        if once and kept > 1:
            case.against("retention_once", said=int(kept))
    else:
        ground = "answer" if case.said("iterations") else "assumed"
        case.put("versioning.retention", 1 if once else 3, ground, "kept_once" if once else "kept_several")  # type: ignore[arg-type]
