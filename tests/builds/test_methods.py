"""A task that is trained otherwise, from its rows to a verdict, with the real DVC."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.builds.conftest import make, rows

pytestmark = pytest.mark.slow


@pytest.mark.thorough
def test_preferences_on_every_weight_are_built_to_a_verdict(tmp_path: Path, zygote: Path) -> None:
    workspace = make(tmp_path / "w", zygote / "bin")
    pairs = ({"text": row["text"], "chosen": row["output"], "rejected": "no idea"} for row in rows(40))
    lines = "".join(json.dumps(row) + "\n" for row in pairs)
    (workspace.root / "data" / "raw" / "rows.jsonl").write_text(lines, encoding="utf-8")
    workspace.edit("  epochs: 1\n", "  epochs: 1\n  method: dpo\n  adapter: full\n")
    done = workspace.tunec("build", code=2)
    (train,) = (workspace.root / "build").glob("train-*")
    assert [file.name for file in (train / "adapter").iterdir()] == ["model.safetensors"]
    assert "DO NOT SHIP" in done.stdout


@pytest.mark.thorough
def test_sft_then_dpo_are_two_stages_and_an_edit_of_one_leaves_the_other(tmp_path: Path, zygote: Path) -> None:
    workspace = make(tmp_path / "w", zygote / "bin")
    pairs = ({"text": row["text"], "chosen": row["output"], "rejected": "no idea"} for row in rows(40))
    lines = "".join(json.dumps(row) + "\n" for row in pairs)
    (workspace.root / "data" / "raw" / "rows.jsonl").write_text(lines, encoding="utf-8")
    workspace.edit("  epochs: 1\n", "  epochs: 1\n  method: dpo\n  after: {epochs: 2}\n")
    first, second = "before-tiny-r16", "train-tiny-r16"
    workspace.tunec("build", second)
    assert not (workspace.root / "build" / ".checkpoints" / second).exists(), "a finished stage keeps none"
    before = (workspace.root / "build" / first / "adapter" / "adapter_model.safetensors").read_bytes()
    workspace.edit("  method: dpo\n", "  method: dpo\n  beta: 0.3\n")
    workspace.tunec("compile")
    ran = workspace.dvc("repro", second).stdout
    assert f"Running stage '{second}'" in ran and f"Running stage '{first}'" not in ran
    assert (workspace.root / "build" / first / "adapter" / "adapter_model.safetensors").read_bytes() == before
    assert json.loads((workspace.root / "build" / first / "report.json").read_text())["steps"] == 6
