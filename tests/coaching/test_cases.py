"""Forty interviews: ten task types, two languages, gaps and contradictions."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from compiler import compile_task
from compiler.parse import parse
from stages.diagnostics import Diagnostic
from tests.coaching.conftest import CASES, Hold, expected
from tunec.coaching.questions import TASK_TYPES
from tunec.workspace import Disk


def test_there_are_forty_of_all_task_types_and_both_languages() -> None:
    named = {case.name.split("-")[1] for case in CASES}
    languages = {yaml.safe_load((case / "answers.yaml").read_text(encoding="utf-8"))["lang"] for case in CASES}
    assert len(CASES) == 40 and named == set(TASK_TYPES) and languages == {"en", "zh-TW"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_task_passes_check_and_says_what_was_decided(case: Path, hold: Hold) -> None:
    found, wanted = hold(case), expected(case)
    text = Path("task.yaml").read_text(encoding="utf-8")
    compiled = compile_task(text, Disk(Path()))
    assert not _errors(compiled.warnings)
    assert sorted(one.word for one in found.case.contradictions) == wanted["contradictions"]
    tree = parse(text, "task.yaml")
    for key, value in wanted["values"].items():
        node = tree.get(key)
        assert node is not None and node.plain() == value, key
    told = yaml.safe_load(Path("task_summary.yaml").read_text(encoding="utf-8"))["task_summary"]
    assert told["name"] == compiled.task.task_name and told["type"] == compiled.task.task_type
    assert len(told.get("contradictions", [])) == len(wanted["contradictions"])
    assert len(told.get("assumptions", [])) == len(found.case.assumed()) > 0 or not found.case.assumed()


def _errors(found: list[Diagnostic]) -> list[Diagnostic]:
    return [one for one in found if one.severity == "error"]
