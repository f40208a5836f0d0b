"""The five passes in a row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from compiler.emit import dvc_yaml, params_yaml
from compiler.parse import Node, ParseError, parse
from compiler.plan import Clash, Plan, Variant, plan
from compiler.resolve import model_slug, overridden, resolve
from compiler.schema import canonical, expand, lowered, order
from compiler.sources import settled
from compiler.sweep import Point, points
from compiler.task import Task
from compiler.validate import validate
from compiler.workspace import Workspace
from stages.base import Diagnostic
from stages.facts import methods
from stages.schemas import label_field
from stages.shapes import readable

_IN_EVERY_NAME = ("training.base_model", "training.lora.r")


@dataclass(frozen=True)
class Compiled:
    """What one task.yaml compiles to. `tree` holds every resolved value with the place that set it."""

    task: Task
    tree: Node
    variants: list[Variant]
    overrides: list[str]
    warnings: list[Diagnostic]

    @cached_property
    def plan(self) -> Plan:
        """The graph, when someone asks for it: it takes the import of every stage, and `tunec check` needs none."""
        return plan(self.variants, self.overrides)

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
    grid = points(overridden(parse(text, file), written))
    resolved = [(point, resolve(point.tree, workspace)) for point in grid]
    checked = [(point, tree, *validate(tree, workspace)) for point, tree in resolved]
    warnings = list(dict.fromkeys(warning for *_, found in checked for warning in found))
    _, tree, task, _ = checked[0]
    variants = [variant(task, workspace, point) for point, _, task, _ in checked]
    compiled = Compiled(task, tree, variants, written, warnings)
    if len(variants) > 1:  # one alone clashes with none
        try:
            _ = compiled.plan
        except Clash as clash:
            raise ParseError([_clash(clash, tree)]) from None
    return compiled


def _clash(clash: Clash, tree: Node) -> Diagnostic:
    sweep = tree.get("sweep")
    swept = sweep.value if sweep and isinstance(sweep.value, dict) else {}
    key = next((key for key in swept if any(read.startswith(key) for read in clash.keys)), None)
    node = swept[key] if key else sweep or tree
    note = f"the stage `{clash.stage}` is one for all variants, and reads it"
    help = "build one task for each value, with `tunec build KEY=VALUE`"
    return Diagnostic("T141", f"`{key or clash.keys[0]}` cannot be swept", node.key or node.span, (note,), help)


def variant(task: Task, workspace: Workspace, point: Point) -> Variant:
    """The resolved values of a task, with what follows from them: the schema in full, globs as files, the model."""
    values: dict[str, Any] = task.model_dump(by_alias=True)
    model = model_slug(task.training.base_model)
    contract = values["output_format"]
    contract["schema"] = schema = canonical(expand(task.output_format.schema_, task.output_format.type))
    contract["type"] = lowered(task.output_format.type)
    contract["order"] = order(schema)
    contract["label"] = label_field(schema) if contract["type"] == "json" else None
    method = methods()[task.training.method]
    values["baselines"] = _sorted(task.baselines)
    # A gate that is off is not there: DVC takes `false` for the bound 0.
    on = {gate: bound for gate, bound in task.success_criteria.gates.items() if bound is not False}
    values["success_criteria"]["gates"] = _sorted(on)
    values["base_model"]["name"] = model
    settled(values["data"])
    for source in values["data"]["sources"]:
        source["map"] = _sorted(source["map"])
        source["files"] = [] if source["hub"] else _files(source["path"], workspace)
    values["data"]["shape"] = method.rows
    if "reward" in method.keys:
        values["training"]["reward"] = task.training.reward or task.success_criteria.primary_metric
    values["data"]["files"] = sorted({file for source in values["data"]["sources"] for file in source["files"]})
    return Variant(_slug(model, task, point), model, values)


def _slug(model: str, task: Task, point: Point) -> str:
    """A variant's name: its model and rank, and whatever else is swept."""
    others = {key: value for key, value in point.values.items() if key not in _IN_EVERY_NAME}
    swept = [re.sub(r"[^A-Za-z0-9_.]+", "-", f"{key.rpartition('.')[2]}-{value}") for key, value in others.items()]
    return "-".join([model, f"r{task.training.lora.r}", *swept]).replace(".", "_")


def _files(pattern: str, workspace: Workspace) -> list[str]:
    """A pattern's files; of a pattern, those that a reader exists for (a README beside the data is no data)."""
    found = workspace.glob(pattern)
    return [file for file in found if readable(file)] if "*" in pattern else found


def _sorted(value: Any) -> Any:
    """A mapping whose order says nothing, by name."""
    return {key: _sorted(inner) for key, inner in sorted(value.items())} if isinstance(value, dict) else value
