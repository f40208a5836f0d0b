"""The weights of a base model of one's own are counted by the heads of its files."""

from __future__ import annotations

from pathlib import Path

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
