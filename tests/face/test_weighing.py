"""The weights of a base model of one's own are counted by the heads of its files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.stages.tiny_gguf import tiny_folder, tiny_gguf
from tunec.weighing import weights
from tunec.workspace import Disk


def test_a_folder_and_the_gguf_of_it_have_the_weights_of_the_model() -> None:
    from transformers import AutoModelForCausalLM

    right = AutoModelForCausalLM.from_pretrained(tiny_folder()).num_parameters()
    assert weights(tiny_folder()) == right
    assert weights(tiny_gguf()) == right


DEEP = (100_000).to_bytes(8, "little") + b"[" * 100_000


@pytest.mark.parametrize("data", [b"", b"GGUF", b"\xff" * 64, (10).to_bytes(8, "little") + b"{", DEEP])
@pytest.mark.parametrize("name", ["model.gguf", "model.safetensors"])
def test_of_a_damaged_or_missing_model_nothing_is_said_here(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    assert weights(tmp_path / name if name.endswith(".gguf") else tmp_path) is None
    assert weights(tmp_path / "missing.gguf") is weights(tmp_path / "missing") is None


def test_no_model_outside_the_workspace_is_looked_into(tmp_path: Path) -> None:
    assert Disk(tiny_folder().parent).weights(tiny_folder().name)
    assert Disk(tmp_path).weights(str(tiny_folder())) is None


def test_weights_that_lie_there_twice_are_counted_once(tmp_path: Path) -> None:
    """As in the folders of Mistral: what transformers loads, and beside it the same in one file."""
    whole = weights(tiny_folder())
    shutil.copy(tiny_folder() / "model.safetensors", tmp_path / "model.safetensors")
    shutil.copy(tiny_folder() / "model.safetensors", tmp_path / "consolidated.safetensors")
    assert weights(tmp_path) == whole
    (tmp_path / "model.safetensors").rename(tmp_path / "model-00001-of-00001.safetensors")
    assert weights(tmp_path) is None  # neither one file nor an index: transformers loads nothing of it
    index = {"weight_map": {"a": "model-00001-of-00001.safetensors", "b": "model-00001-of-00001.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    assert weights(tmp_path) == whole


@pytest.mark.parametrize("map", [{"a": "../other.safetensors"}, {"a": "gone.safetensors"}, {"a": 3}, ["a"], {}])
def test_of_an_index_that_names_no_files_of_the_folder_nothing_is_said(map: Any, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copy(tiny_folder() / "model.safetensors", tmp_path / "other.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": map}), encoding="utf-8")
    assert weights(folder) is None
