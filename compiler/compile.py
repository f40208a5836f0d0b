"""The five passes in a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from compiler.emit import dvc_yaml, params_yaml
from compiler.parse import Node, parse
from compiler.plan import Plan, Variant, plan
from compiler.resolve import model_slug, resolve
from compiler.schema import canonical, expand, order
from compiler.task import Task
from compiler.validate import validate
from compiler.workspace import Workspace
from stages.base import Diagnostic, Method, members

READABLE = (".jsonl", ".csv", ".parquet")


@dataclass(frozen=True)
class Compiled:
    """What one task.yaml compiles to. `tree` holds every resolved value with the place that set it."""

    task: Task
    tree: Node
    plan: Plan
    warnings: list[Diagnostic]

    @property
    def dvc_yaml(self) -> str:
        return dvc_yaml(self.plan)

    @property
    def params_yaml(self) -> str:
        return params_yaml(self.plan)


def compile_task(
    text: str, workspace: Workspace, *, file: str = "task.yaml", overrides: list[str] | None = None
) -> Compiled:
    """Compile the text of a task. Raises parse.ParseError with every diagnostic of the first pass that fails."""
    written = sorted(overrides or [])
    tree = resolve(parse(text, file), written, workspace)
    task, warnings = validate(tree, workspace)
    graph = plan([variant(task, workspace)], written)
    return Compiled(task, tree, graph, warnings)


def variant(task: Task, workspace: Workspace) -> Variant:
    """The resolved values of a task, with what follows from them: the schema in full, globs as files, the model."""
    values: dict[str, Any] = task.model_dump(by_alias=True)
    model, method = (
        model_slug(task.training.base_model),
        members("stages.methods", "METHOD", Method)[task.training.method],
    )
    values["output_format"]["schema"] = schema = canonical(expand(task.output_format.schema_))
    values["output_format"]["order"] = order(schema)
    values["baselines"] = _sorted(task.baselines)
    values["success_criteria"]["gates"] = _sorted(task.success_criteria.gates)
    values["base_model"]["name"] = model
    for source in values["data"]["sources"]:
        source["map"] = _sorted(source["map"])
        source["files"] = _files(source["path"], workspace)
    values["data"]["shape"] = method.rows
    if "reward" in method.keys:
        values["training"]["reward"] = task.training.reward or task.success_criteria.primary_metric
    values["data"]["files"] = sorted({file for source in values["data"]["sources"] for file in source["files"]})
    return Variant(f"{model}-r{task.training.lora.r}", model, values)


def _files(pattern: str, workspace: Workspace) -> list[str]:
    """A pattern's files; of a pattern, those that a reader exists for (a README beside the data is no data)."""
    found = workspace.glob(pattern)
    return [file for file in found if file.endswith(READABLE)] if "*" in pattern else found


def _sorted(value: Any) -> Any:
    """A mapping whose order says nothing, by name."""
    return {key: _sorted(inner) for key, inner in sorted(value.items())} if isinstance(value, dict) else value
