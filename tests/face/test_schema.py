"""`tunec schema`: what an editor completes and refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from compiler.task import Task, keys
from tests.compiling import MINIMAL, ROOT
from tunec import described
from tunec.editing import json_schema

SCHEMA = json_schema(ROOT)
TASKS = [ROOT / "task.yaml", *sorted((ROOT / "tunec" / "templates").glob("*/task.yaml"))]


def wrong(task: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(task)]


def test_it_is_a_json_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("file", TASKS, ids=lambda file: file.parent.name)
def test_our_own_tasks_fit_it(file: Path) -> None:
    assert not wrong(yaml.safe_load(file.read_text(encoding="utf-8").replace("2e-3", "0.002")))


def test_what_presets_bring_is_not_asked_for() -> None:
    assert not wrong(yaml.safe_load(MINIMAL))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("task_type", "extracting"),
        ("thresold", 1),
        ("evaluation", {"metrics": ["f1_marco"]}),
        ("success_criteria", {}),
        ("quantization", {"formats": ["q9"]}),
        ("baselines", {"majorty": True}),
    ],
)
def test_an_editor_marks_a_mistake(key: str, value: object) -> None:
    assert wrong({**yaml.safe_load(MINIMAL), key: value})


def test_every_number_that_counts_something_says_what() -> None:
    numbers = [about for about in described.every() if "number" in about.allowed and not about.keys and not about.free]
    unnamed = {about.path for about in numbers if about.unit is None}
    assert unnamed == {
        *("generate.seed", "splits.seed", "training.beta", "training.seed", "training.after.beta", "execution.port"),
    }


def test_every_key_is_described() -> None:
    for path in keys(Task):
        part = SCHEMA
        for name in path.split("."):
            part = _resolved(part)["properties"][name]
        assert part.get("description"), path


def _resolved(part: dict[str, Any]) -> dict[str, Any]:
    """The section that a key stands for, through references, lists and options."""
    for inner in (part, part.get("items", {}), *part.get("anyOf", ()), *part.get("allOf", ())):
        if "$ref" in inner:
            return dict(SCHEMA["$defs"][inner["$ref"].rpartition("/")[2]])
    return part
