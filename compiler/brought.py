"""The files that metrics and baselines bring along: Python sources, documents, models. Stages read them as inputs."""

from __future__ import annotations

from typing import Any

from compiler.task import Task
from compiler.workspace import Workspace
from stages.catalog import Baseline, members
from stages.own import references


def brought(task: Task, workspace: Workspace) -> dict[str, list[str] | None]:
    """By who brings them, `metrics` or a baseline's name, its files; None where there are none."""
    metrics = references([task.success_criteria.primary_metric, *task.evaluation.metrics])
    found: dict[str, list[str] | None] = {"metrics": metrics or None}
    for name, options in task.baselines.items():
        patterns = named_files(name, options)
        files = sorted({file for pattern in patterns for file in workspace.glob(pattern)})
        found[f"baseline_{name}"] = files or None
    return found


def named_files(name: str, options: Any) -> tuple[str, ...]:
    """Paths and patterns that a baseline's options name."""
    known = members("stages.baselines", "BASELINE", Baseline).get(name)
    return known.files(options) if known and options is not False else ()
