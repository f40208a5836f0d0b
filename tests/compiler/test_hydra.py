"""conf/ is a config tree that Hydra composes as the compiler does, so that a sweep and a task mean the same presets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from compiler.parse import parse
from compiler.resolve import resolve
from tests.compiling import ROOT, shipped, workspace
from tunec.workspace import Disk

CONF = ROOT / "conf"


def by_hydra(task_type: str, base_model: str, *more: str) -> Any:
    with initialize_config_dir(str(CONF), version_base=None):
        found = compose("config", [f"task_type={task_type}", f"base_model={base_model}", *more])
    composed = OmegaConf.to_container(found)
    assert isinstance(composed, dict)
    return _held(composed)


def _held(composed: dict[Any, Any]) -> dict[Any, Any]:
    """With what a preset says under `when` of the method and the adapter, which Hydra knows nothing of."""
    when = composed.pop("when", {})
    for name in ("sft", "lora"):
        composed = _merged(composed, when.get(name, {}))
    return composed


def _merged(below: dict[Any, Any], above: dict[Any, Any]) -> dict[Any, Any]:
    inner = {
        k: _merged(below[k], v) for k, v in above.items() if isinstance(v, dict) and isinstance(below.get(k), dict)
    }
    return {**below, **above, **inner}


def by_us(task_type: str, base_model: str, more: str = "") -> Any:
    task = parse(f"task_type: {task_type}\ntraining: {{base_model: {base_model}}}\n{more}", "task.yaml")
    found = resolve(task, workspace()).plain()
    del found["task_type"], found["training"]["base_model"]
    return found


@pytest.mark.parametrize("base_model", sorted(shipped()["base_model"]))
def test_hydra_composes_a_base_model_as_the_compiler_does(base_model: str) -> None:
    assert by_hydra("extraction", base_model) == by_us("extraction", base_model)


@pytest.mark.parametrize("task_type", sorted(shipped()["task_type"]))
def test_hydra_composes_a_task_type_as_the_compiler_does(task_type: str) -> None:
    assert by_hydra(task_type, "smollm2-135m") == by_us(task_type, "smollm2-135m")


@pytest.mark.parametrize("name", sorted(shipped()["quantization"]))
def test_hydra_composes_a_quantization_as_the_compiler_does(name: str) -> None:
    theirs = by_hydra("extraction", "smollm2-135m", f"quantization={name}")
    ours = by_us("extraction", "smollm2-135m", f"quantization: {name}\n")
    assert ours["quantization"].pop("preset") == name  # in Hydra the group's choice is no value of the config
    del theirs["quantization"]["preset"]
    assert ours == theirs


def test_the_workspace_s_own_presets_are_on_hydra_s_search_path_and_lie_above_ours(tmp_path: Path) -> None:
    own = tmp_path / "conf" / "base_model"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text("# @package _global_\ntraining: {learning_rate: 7e-4}\n", encoding="utf-8")
    path = f"hydra.searchpath=[file://{tmp_path / 'conf'}]"
    assert by_hydra("extraction", "mine", path)["training"]["learning_rate"] == 7e-4
    task = parse("task_type: extraction\ntraining: {base_model: mine}\n", "task.yaml")
    ours = resolve(task, Disk(tmp_path))
    assert ours.plain()["training"]["learning_rate"] == 7e-4
