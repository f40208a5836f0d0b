"""What a sweep measured on dev, whether or not all of it was built.

Where `select` has seen the very predictions that are here, its figures are taken; else they are made anew, in the same
way: a variant that failed keeps `select` from running, and must not hide the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compiler import Compiled
from compiler.plan import Instance, Plan
from compiler.sweep import FORMATS
from stages import pace
from stages.base import READ
from stages.rows import read_json, read_rows
from stages.trials import Trial
from tunec import dvc_lock
from tunec.dvc_cache import outputs


def measured(root: Path, compiled: Compiled) -> list[Trial]:
    """Every file of every variant that was built and measured as the task says now, in the order of the plan."""
    built = Built(root, compiled.plan, dvc_lock.stages(root))
    points = {variant.slug: variant.point for variant in compiled.variants}
    files = [one for one in compiled.plan.instances if one.stage.name == "predict" and one.at.candidate != "tuned"]
    fresh = {_label(one): one for one in files if built.stands(one.name)}
    figures = _figures(root, compiled.plan, built, {label: one.outputs["predictions"] for label, one in fresh.items()})
    primary = compiled.task.success_criteria.primary_metric
    return [_trial(root, one, points[str(one.at.variant)], figures[label][primary]) for label, one in fresh.items()]


def wanted(plan: Plan) -> int:
    """How many files there are to measure."""
    return sum(one.stage.name == "predict" and one.at.candidate != "tuned" for one in plan.instances)


@dataclass
class Built:
    """Which outputs are what the graph asks for, by dvc.lock alone: parameters as they are now, inputs as they were
    made last. Code and libraries are not looked at: that is a build's to do.
    """

    root: Path
    plan: Plan
    locked: Mapping[str, Any]
    _known: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.instances = {one.name: one for one in self.plan.instances}

    def stands(self, name: str) -> bool:
        if name not in self._known:
            self._known[name] = self._look(self.instances[name])
        return self._known[name]

    def _look(self, one: Instance) -> bool:
        entry = self.locked.get(one.name) or {}
        params = entry.get("params", {}).get("params.yaml", {}).get(one.name, {})
        if params != _plain(one.params) or not all((self.root / path).exists() for path in one.outputs.values()):
            return False
        read = {dep["path"]: dep.get("md5") for dep in entry.get("deps", ())}
        return all(self.stands(before) for before in one.after) and all(
            self._made(path) == read.get(path) for path in one.dependencies() if path.startswith("build/")
        )

    def _made(self, path: str) -> Any:
        try:
            return outputs(self.locked[path.split("/")[1]])[path].get("md5")
        except (KeyError, ValueError):
            return None


def _figures(root: Path, plan: Plan, built: Built, predictions: Mapping[str, str]) -> dict[str, Any]:
    """File -> metric -> figure."""
    select = plan["select"]
    if built.stands("select"):
        found = read_json(root / select.outputs["scores"])["systems"]
        return {label: found[label] for label in predictions}
    from stages.scoring import figures, judged
    from stages.select import SelectParams

    params = SelectParams(**{key: value for key, value in _plain(select.params).items() if key != READ})
    rows = list(read_rows(root / str(select.inputs["rows"]))) if predictions else []
    systems = judged(
        rows, {label: root / path for label, path in predictions.items()}, params.contract, params.yardstick.terms
    )
    return {label: figures(of, params.yardstick, params.contract) for label, of in systems.items()}


def _trial(root: Path, one: Instance, point: Mapping[str, Any], figure: Mapping[str, float]) -> Trial:
    file = root / str(one.inputs["gguf"])
    speed = read_json(root / one.outputs["speed"])
    values = {**point, FORMATS: one.at.candidate}
    return Trial(
        _label(one),
        str(one.at.variant),
        values,
        figure,
        file.stat().st_size,
        speed["rows_per_second"],
        pace.told(speed),
    )


def _label(one: Instance) -> str:
    return f"{one.at.variant}-{one.at.candidate}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
