"""The five passes in a row."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from compiler import licences, mixing, reviewing, sources
from compiler.brought import brought
from compiler.checked import checked
from compiler.costing import GATE, costing
from compiler.emit import dvc_yaml, guard_yaml, params_yaml
from compiler.judged import measured, standing_gates
from compiler.parse import Node, ParseError
from compiler.plan import Clash, Plan, Variant, plan
from compiler.recipe import After
from compiler.resolve import model_slug, resolve
from compiler.schema import canonical, expand, lowered
from compiler.settle import settled
from compiler.sweep import Point, full
from compiler.task import Task, shape
from compiler.workspace import Workspace
from stages.diagnostics import Diagnostic
from stages.facts import methods
from stages.schemas import label_field
from stages.shapes import readable

_COMES_FROM = {"data.shape": "training.method"}  # what a key of the resolved task follows from
REMEMBERED = "registry/critical.jsonl"  # rows that a release got right and the next must get right again
REGRESSIONS = "regressions"  # the gate on them
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

    @property
    def guard_yaml(self) -> str:
        return guard_yaml(self.plan)


def compile_task(
    text: str, workspace: Workspace, *, file: str = "task.yaml", overrides: list[str] | None = None
) -> Compiled:
    """Compile the text of a task. Raises parse.ParseError with every diagnostic of the first pass that fails."""
    written = sorted(overrides or [])
    found = checked(text, workspace, file=file, overrides=written)
    whole, first = found.whole, found.points[0]
    usual = _usual(whole, workspace) if len(found.points) > 1 else None
    made = [variant(one.task, workspace, one.point, usual) for one in found.points]
    variants, alike = _merged(made, whole)
    compiled = Compiled(first.task, first.tree, _tell_all(variants), written, [*alike, *found.warnings])
    if len(variants) > 1:  # one alone clashes with none
        try:
            _ = compiled.plan
        except Clash as clash:
            raise ParseError([_clash(clash, whole)]) from None
    return compiled


def _usual(whole: Node, workspace: Workspace) -> Node | None:
    """The task without its sweep: a point that says what it says needs no name of its own. None where it is no task."""
    try:
        return settled(resolve(whole, workspace), workspace)
    except ParseError:
        return None


def _merged(made: list[Variant], whole: Node) -> tuple[list[Variant], list[Diagnostic]]:
    """Without those that are built as one before them, of another name; and a word on each."""
    first: dict[str, Variant] = {}
    told = []
    for one in made:
        built = {key: value for key, value in one.values.items() if key not in ("base_model", "training")}
        model = {key: value for key, value in one.values["base_model"].items() if key != "name"}
        training = {key: value for key, value in one.values["training"].items() if key != "base_model"}
        key = json.dumps([built, model, training], sort_keys=True)
        same = first.setdefault(key, one)
        if same.slug != one.slug:
            first[key] = replace(same, also=(*same.also, one.point))
            help = f"remove one of them from the sweep; `{same.slug}` is built"
            message = f"the variants `{same.slug}` and `{one.slug}` are the same"
            told.append(Diagnostic("T502", message, (whole.get("sweep") or whole).span, help=help, severity="warning"))
    return list(first.values()), told


def _tell_all(variants: list[Variant]) -> list[Variant]:
    """Every variant of a sweep knows the values of all of them, for the report that they share."""
    swept = {one.slug: one.point for one in variants}
    if not any(swept.values()):
        return variants
    return [replace(one, values={**one.values, "swept": swept}) for one in variants]


def _clash(clash: Clash, tree: Node) -> Diagnostic:
    sweep = tree.get("sweep")
    swept = sweep.value if sweep and isinstance(sweep.value, dict) else {}
    read = [_COMES_FROM.get(key, key) for key in clash.keys]
    key = next((key for key in swept if any(one.startswith(full(key)) for one in read)), None)
    node = swept[key] if key else sweep or tree
    note = f"the stage `{clash.stage}` is one for all variants, and reads it"
    help = "build one task for each value, with `tunec build KEY=VALUE`"
    return Diagnostic("T141", f"`{key or clash.keys[0]}` cannot be swept", node.key or node.span, (note,), help)


def variant(task: Task, workspace: Workspace, point: Point, usual: Node | None = None) -> Variant:
    """The resolved values of a task, with what follows from them: the schema in full, globs as files, the model.

    usual: the task without its sweep.
    """
    values: dict[str, Any] = task.model_dump(by_alias=True)
    model = model_slug(task.training.base_model)
    contract = values["output_format"]
    schema = canonical(expand(task.output_format.schema_, task.output_format.type))
    contract["schema"] = None if schema is None else json.dumps(schema, ensure_ascii=False, indent=2)
    contract["type"] = lowered(task.output_format.type)
    contract["label"] = label_field(schema) if contract["type"] == "json" else None
    method = methods()[task.training.method]
    values["baselines"] = _sorted(task.baselines)
    remembered = next(iter(workspace.glob(REMEMBERED)), None)
    values["success_criteria"]["gates"] = _sorted(_remembering(standing_gates(task), task, remembered))
    values["costing"] = costing(task, workspace, values["success_criteria"]["gates"].get(GATE))
    values["evaluation"]["metrics"] = measured(task)
    values["brought"] = brought(task, workspace)
    if task.generate:
        values["generate"]["judge"]["least"] = _sorted(task.generate.judge.least)
    if task.evaluation.terms:
        values["evaluation"]["terms"]["severity"] = _sorted(task.evaluation.terms.severity)
    values["base_model"]["name"] = model
    values["execution"] = task.execution.written()
    sources.settled(values["data"])
    for source in values["data"]["sources"]:
        source["map"] = _sorted(source["map"])
        del source["license"]  # no row depends on it
        source["files"] = [] if source["hub"] else _files(source["path"], workspace)
    mixing.settled(values["data"], lambda path: _files(path, workspace))
    reviewing.settled(values, workspace.glob)
    values["data"]["shape"] = shape(task)
    values["license"] = _licences(task)
    values["evaluation"]["remembered"] = remembered
    if "reward" in method.keys:
        values["training"]["reward"] = task.training.reward or task.success_criteria.primary_metric
    values["data"]["files"] = sorted({file for source in values["data"]["sources"] for file in source["files"]})
    first = _first_slug(model, task, point, usual) if task.training.after else None
    return Variant(_slug(model, task, point, usual), model, values, point.values, first=first)


def _licences(task: Task) -> dict[str, Any] | None:
    """What the card says of licences beside the base model's; None where there is nothing to say."""
    data = [(source.path, source.license) for source in task.data.sources if source.license]
    base = task.base_model.license
    licence = licences.released(task.versioning.license, licences.parts(base, task.training.base_model, data))
    stated = [{"path": path, "license": name} for path, name in data]
    return (
        {"release": licence if licence != base else None, "data": stated or None} if stated or licence != base else None
    )


def _remembering(gates: dict[str, Any], task: Task, remembered: str | None) -> dict[str, Any]:
    """The gate on what an earlier release got right: on by itself where there is something to remember."""
    bound = task.success_criteria.gates.get(REGRESSIONS, True)
    others = {name: given for name, given in gates.items() if name != REGRESSIONS}
    if remembered is None or bound is False:
        return others
    return {**others, REGRESSIONS: 1.0 if bound is True else bound}


def _slug(model: str, task: Task, point: Point, usual: Node | None) -> str:
    """A variant's name: its model and rank, and whatever else is swept away from what the task says without its sweep.

    So a name stays what it is when more is swept, and what is built already is not built again.
    """
    others = {key: value for key, value in point.values.items() if key not in _IN_EVERY_NAME}
    if usual is not None:
        others = {key: value for key, value in others.items() if not _says(usual, key, value)}
    swept = [re.sub(r"[^A-Za-z0-9_.]+", "-", f"{key.rpartition('.')[2]}-{value}") for key, value in others.items()]
    return "-".join([model, f"r{task.training.lora.r}", *swept]).replace(".", "_")


def _says(tree: Node, key: str, value: Any) -> bool:
    node = tree.get(key)
    return node is not None and node.plain() == value


def _first_slug(model: str, task: Task, point: Point, usual: Node | None) -> str:
    """The first training's name, without what only the second one reads: variants that differ in that share it."""
    own = {f"training.{name}" for name in After.model_fields}
    kept = {key: value for key, value in point.values.items() if not any(f"{key}.".startswith(f"{o}.") for o in own)}
    return _slug(model, task, point._replace(values=kept), usual)


def _files(pattern: str, workspace: Workspace) -> list[str]:
    """A pattern's files; of a pattern, those that a reader exists for (a README beside the data is no data)."""
    found = workspace.glob(pattern)
    return [file for file in found if readable(file)] if "*" in pattern else found


def _sorted(value: Any) -> Any:
    """A mapping whose order says nothing, by name."""
    return {key: _sorted(inner) for key, inner in sorted(value.items())} if isinstance(value, dict) else value
