"""A task that is trained otherwise, from its rows to a verdict, with the real DVC."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.builds.conftest import make, rows

pytestmark = pytest.mark.slow


def test_preferences_on_every_weight_are_built_to_a_verdict(tmp_path: Path) -> None:
    workspace = make(tmp_path / "w")
    pairs = ({"text": row["text"], "chosen": row["output"], "rejected": "no idea"} for row in rows(40))
    lines = "".join(json.dumps(row) + "\n" for row in pairs)
    (workspace.root / "data" / "raw" / "rows.jsonl").write_text(lines, encoding="utf-8")
    workspace.edit("  epochs: 1\n", "  epochs: 1\n  method: dpo\n  adapter: full\n")
    done = workspace.tunec("build", code=2)
    (train,) = (workspace.root / "build").glob("train-*")
    assert [file.name for file in (train / "adapter").iterdir()] == ["model.safetensors"]
    assert "DO NOT SHIP" in done.stdout
