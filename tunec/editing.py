"""The JSON Schema of task.yaml, as editors take it: keys complete, hover and are checked while they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunec import described
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
    schema = described.json_schema()
    for name, part in [("Task", schema), *schema["$defs"].items()]:
        part.pop("required", None)
        part |= {"required": _NEEDED[name]} if name in _NEEDED else {}
        part["properties"] = {key: _or_auto(one) for key, one in part.get("properties", {}).items()}
    disk = Disk(root)
    for path in described.named():
        _offer(_key(schema, path), path, described.choices(path, disk))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "task.yaml"}


def _key(schema: dict[str, Any], path: str) -> dict[str, Any]:
    """What a schema says of a dotted key, behind its references."""
    part = schema
    for name in path.split("."):
        part = schema["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        part = part["properties"][name]
    return part


def _or_auto(key: dict[str, Any]) -> dict[str, Any]:
    """A number that may be left to the compiler."""
    if not key.pop("auto", False):
        return key
    said: dict[str, Any] = {name: key.pop(name) for name in ("title", "description", "default") if name in key}
    return {**said, "anyOf": [key, {"const": "auto"}]}


def _offer(key: dict[str, Any], path: str, names: list[str]) -> None:
    """Tell an editor the names: as values, as items of a list, or as keys of a mapping."""
    if key.get("type") == "array":
        key["items"] = {"enum": names}
    elif key.get("type") == "object":
        key["propertyNames"] = {"enum": names}
    elif path == "training.base_model":  # a path or a Hub id is as good
        key["examples"] = names
    elif "anyOf" in key:
        key["anyOf"] = [{"enum": names} if one.get("type") == "string" else one for one in key["anyOf"]]
    else:
        key["enum"] = names
