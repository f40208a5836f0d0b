"""The JSON Schema of task.yaml, as editors take it: keys complete, hover and are checked while they are written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from compiler.task import Task
from stages.base import QUANTIZATIONS, Baseline, Gate, Metric, members
from stages.facts import methods
from tunec.workspace import Disk

FILE = "task.schema.json"
LINE = f"# yaml-language-server: $schema={FILE}\n"
# What no preset can know. Everything else has a default, or a preset that the task type, method or model brings.
_NEEDED = {
    "Task": ["task_name", "task_type", "input_template", "output_format", "training", "success_criteria"],
    "OutputFormat": ["type"],
    "Source": ["path"],
    "Training": ["base_model"],
    "SuccessCriteria": ["threshold"],
}


def json_schema(root: Path) -> dict[str, Any]:
    """The schema (draft 2020-12) with the names that this workspace knows: presets, metrics, gates, baselines."""
    schema = Task.model_json_schema(by_alias=True)
    for name, part in [("Task", schema), *schema["$defs"].items()]:
        part.pop("required", None)
        part |= {"required": _NEEDED[name]} if name in _NEEDED else {}
    for definition, key, names in _names(Disk(root)):
        part = schema if definition == "Task" else schema["$defs"][definition]
        _offer(part["properties"][key], names)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "task.yaml"}


def _names(workspace: Disk) -> Iterator[tuple[str, str, list[str]]]:
    """(section, key, what it may be called) for keys whose values are names of members or presets."""
    metrics = sorted(members("stages.metrics", "METRIC", Metric))
    yield "Task", "task_type", _presets(workspace, "task_type")
    yield "Task", "baselines", sorted(members("stages.baselines", "BASELINE", Baseline))
    yield "SuccessCriteria", "primary_metric", metrics
    yield "SuccessCriteria", "gates", sorted({*members("stages.gates", "GATE", Gate), *metrics} - {"threshold"})
    yield "Training", "method", sorted(methods())
    yield "Evaluation", "metrics", metrics
    yield "Quantization", "formats", QUANTIZATIONS
    yield "Training", "base_model", _presets(workspace, "base_model")


def _presets(workspace: Disk, group: str) -> list[str]:
    return sorted({name for layer in workspace.presets(group) for name in layer})


def _offer(key: dict[str, Any], names: list[str]) -> None:
    """Tell an editor the names: as values, as items of a list, or as keys of a mapping."""
    if key.get("type") == "array":
        key["items"] = {"enum": names}
    elif key.get("type") == "object":
        key["propertyNames"] = {"enum": names}
    elif "base_model" in key.get("title", "").lower().replace(" ", "_"):  # a path or a Hub id is as good
        key["examples"] = names
    else:
        key["enum"] = names
