"""Which gates a task is judged by: those that are on, less the presets' own that it gives nothing to judge by."""

from __future__ import annotations

from compiler.schema import expand, lowered
from compiler.task import Task
from stages.catalog import Metric, members
from stages.schemas import kinds

ALWAYS = ("schema_validity", "free_validity")  # measured wherever they fit

# A gate that a preset brings for tasks that name such terms -> the key under evaluation.terms.
NEEDS = {"critical_fields": "critical_fields", "unsafe_calls": "unsafe_tools"}


def standing_gates(task: Task) -> dict[str, float | bool]:
    """Gate -> bound. A gate that is off is not there: DVC takes `false` for the bound 0."""
    gates, metrics = task.success_criteria.gates, members("stages.metrics", "METRIC", Metric)
    form = task.output_format
    kind = kinds(lowered(form.type), expand(form.schema_, form.type))
    fitting = {gate for gate in gates if gate not in metrics or kind & set(metrics[gate].fits)}
    on = {gate: bound for gate, bound in gates.items() if bound is not False}
    return {gate: bound for gate, bound in on.items() if gate in fitting and has_its_terms(task, gate)}


def measured(task: Task) -> list[str]:
    """The metrics beside the primary one: those that are named, then those that are gated."""
    known, primary = members("stages.metrics", "METRIC", Metric), task.success_criteria.primary_metric
    gated = sorted(gate for gate in standing_gates(task) if gate in known and gate not in (primary, *ALWAYS))
    brought = ["preference"] if task.evaluation.judge else []  # a judge that is asked is also listened to
    others = dict.fromkeys([*gated, *brought])
    return [*task.evaluation.metrics, *(name for name in others if name not in task.evaluation.metrics)]


def has_its_terms(task: Task, gate: str) -> bool:
    """Whether the task names what a gate looks at."""
    key = NEEDS.get(gate)
    return key is None or bool(task.evaluation.terms and getattr(task.evaluation.terms, key))
