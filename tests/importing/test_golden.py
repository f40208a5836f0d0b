"""Golden folders. FORMAT/CASE: config.yaml, shortened from what people train with, and the task.yaml and report.txt
that it becomes. workspace/, where there is one, holds the files that lie around.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.importing.places import CASES, imported
from tunec.checking import check_file
from tunec.importing.targets import BASE_MODEL

Golden = Callable[[Path, str], None]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_a_training_file_becomes_this_task_and_this_report(case: Path, golden: Golden, tmp_path: Path) -> None:
    here, report = imported(case, tmp_path)
    golden(case / "task.yaml", (here / "task.yaml").read_text(encoding="utf-8"))
    golden(case / "report.txt", report)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_check_finds_nothing_that_the_report_does_not_foretell(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, report = imported(case, tmp_path)
    with contextlib.chdir(here):
        check_file(Path("task.yaml"), "json")
    foretold = report.partition("`tunec check task.yaml` will say:\n")[2]
    for found in json.loads(capsys.readouterr().out):
        assert f"{found['code']} task.yaml:{found['span']['line']} {found['message']}" in foretold


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_once_the_revision_is_pinned_check_still_finds_nothing_new(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, report = imported(case, tmp_path)
    task = here / "task.yaml"
    key = BASE_MODEL.rsplit(".", 1)[-1]
    lines = task.read_text(encoding="utf-8").splitlines(keepends=True)
    pinned = [f"  {key}: a/b@{'0' * 40}\n" if line.startswith(f"  {key}: ") else line for line in lines]
    task.write_text("".join(pinned), encoding="utf-8")
    with contextlib.chdir(here):
        check_file(Path("task.yaml"), "json")
    for found in json.loads(capsys.readouterr().out):
        assert f"{found['code']} task.yaml:{found['span']['line']} " in report
