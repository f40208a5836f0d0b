"""The cases: answers, rows where there are some, and what has to come of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tunec.coaching.coach import Asked, Coached, coach

CASES = sorted((Path(__file__).parent / "cases").iterdir())
Hold = Callable[[Path], Coached]


@pytest.fixture
def hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hold:
    """Hold the interview of a case in a folder of its own."""

    def held(case: Path) -> Coached:
        monkeypatch.chdir(tmp_path)
        files = []
        if (case / "rows.jsonl").is_file():
            files = [Path("data/raw/rows.jsonl")]
            files[0].parent.mkdir(parents=True)
            shutil.copy(case / "rows.jsonl", files[0])
        return coach(Path(), files, Asked(case / "answers.yaml"), Path("task.yaml"))

    return held


def expected(case: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((case / "expected.yaml").read_text(encoding="utf-8")))
