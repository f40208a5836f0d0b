"""When it is good enough: metric, threshold, what has to be beaten, how long an answer may take."""

from __future__ import annotations

from compiler.parse import parse
from compiler.schema import expand, lowered
from stages.catalog import Metric, members
from stages.schemas import kinds
from tunec.coaching.case import Case
from tunec.workspace import Disk

_USUAL = 0.8
_PRESETS = {"classification": "macro_f1", "policy": "macro_f1", "extraction": "slot_f1", "structured": "exact_match"}
_PRESETS |= {"tool_calling": "exact_match", "planning": "exact_match", "rewriting": "rouge_l", "qa": "rouge_l"}
_PRESETS |= {"summarization": "rouge_l", "generation": "chrf"}
_OTHER = "exact_match"  # where the usual one says nothing of this contract: it fits every answer
_CALLED = {"f1": None, "bleu": "bleu", "rouge": "rouge_l", "rougel": "rouge_l", "acc": "accuracy", "em": "exact_match"}
_CALLED |= {"準確率": "accuracy", "正確率": "accuracy", "macrof1": "macro_f1", "完全符合": "exact_match"}
_ABOVE = 0.05
_HASTY = 10  # milliseconds: who names fewer most likely means seconds


def decide(case: Case) -> None:
    fitting = _fitting(case)
    metric = _metric(case, fitting)
    _others(case, fitting)
    _threshold(case, metric)
    if (case.value("output_format.type") == "label") and case.value("training.method") == "sft":
        case.put("baselines.tfidf", True, "table", "tfidf")
    if (latency := case.said("latency")) and latency > 0:
        if latency < _HASTY:
            case.against("hasty", said=f"{latency:g}", seconds=f"{latency * 1000:g}")
        case.put("evaluation.latency", True, "answer", "timed")
        case.put("success_criteria.gates", {"latency_p95": latency / 1000}, "answer", "latency_gate")


def _fitting(case: Case) -> dict[str, Metric]:
    """The metrics that say something of this contract."""
    form = case.value("output_format.type")
    of = kinds(lowered(form), expand(case.value("output_format.schema"), form) or {})
    known = members("stages.metrics", "METRIC", Metric)
    return {name: metric for name, metric in known.items() if of & set(metric.fits)}


def _others(case: Case, fitting: dict[str, Metric]) -> None:
    """Of what the task type measures beside, what fits; where that is all, the preset says it."""
    layers = Disk(case.root).presets("task_type")
    preset = next(
        (layer[case.value("task_type")] for layer in reversed(layers) if case.value("task_type") in layer), None
    )
    node = parse(preset.text, preset.file).get("evaluation.metrics") if preset else None
    usual = node.plain() if node else []
    primary = case.value("success_criteria.primary_metric")
    kept = [name for name in usual if name in fitting and name != primary]
    if any(name not in fitting for name in usual):
        case.put("evaluation.metrics", kept, "table", "fitting_metrics")


def _metric(case: Case, every: dict[str, Metric]) -> Metric:
    known = members("stages.metrics", "METRIC", Metric)
    fitting = {name: metric for name, metric in every.items() if not metric.lower}
    usual = _PRESETS[case.value("task_type")]
    usual = usual if usual in fitting else _OTHER
    said = case.said("metric")
    if said:
        name = said.lower().replace("-", "_").replace(" ", "_")
        taken = _CALLED.get(name, name) or usual
        if taken in fitting:
            case.put("success_criteria.primary_metric", taken, "answer", "you")
            return fitting[taken]
        case.against("metric" if taken in known else "metric_unknown", said=said, taken=usual)
    kind = case.task_type(case.value("task_type"))
    case.put("success_criteria.primary_metric", usual, "table", "preset_metric", task_type=kind)
    return fitting[usual]


def _threshold(case: Case, metric: Metric) -> None:
    score = _share(case, case.said("baseline_score"))
    if score is not None and case.said("baseline") == "none":
        case.against("baseline_none", score=f"{score:g}")
    said = case.said("threshold")
    taken = _share(case, said)
    if taken is not None:
        if said > 1:
            case.against("percent", said=f"{said:g}", taken=f"{taken:g}")
        case.put("success_criteria.threshold", _within(taken, metric), "answer", "you")
        if score is not None and taken <= score:
            case.against("below_baseline", threshold=f"{taken:g}", score=f"{score:g}")
    elif score is not None:
        case.put("success_criteria.threshold", _within(round(score + _ABOVE, 3), metric), "assumed", "above_baseline")
    else:
        case.put("success_criteria.threshold", _USUAL, "assumed", "usual_threshold")


def _share(case: Case, said: float | None) -> float | None:
    return None if said is None else round(said / 100, 4) if said > 1 else float(said)


def _within(value: float, metric: Metric) -> float:
    return min(max(value, metric.low), metric.high)
