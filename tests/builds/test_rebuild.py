"""Which stages an edit runs, with the real DVC: exactly those that it must."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages.diagnostics import UserError
from tests.builds.conftest import Workspace, rows
from tunec.dvc import GUARD_STAGE

pytestmark = pytest.mark.slow

V = "tiny-r16"
TRAINED = {f"train-{V}", f"export-{V}", f"quantize-{V}-q8_0"}
PREDICTED = {f"predict-{V}-tuned", f"predict-{V}-f16", f"predict-{V}-q8_0"}
JUDGED = {"select", "test", "attack", "score", "gate", "package", "papers", "report"}


def duplicate_a_row(w: Workspace) -> None:
    source = w.root / "data/raw/rows.jsonl"
    lines = source.read_text().splitlines(True)
    source.write_text("".join([lines[7], *lines, lines[3]]))


def reverse_the_rows(w: Workspace) -> None:
    source = w.root / "data/raw/rows.jsonl"
    source.write_text("".join(reversed(source.read_text().splitlines(True))))


def reorder_the_keys(w: Workspace) -> None:
    w.edit("task_name: tiny-slots\ntask_type: extraction\n", "task_type: extraction\ntask_name: tiny-slots\n")


def add_a_row(w: Workspace) -> None:
    *_, new = rows(41)
    with (w.root / "data/raw/rows.jsonl").open("a") as source:
        source.write(json.dumps(new) + "\n")


def change(before: str, after: str) -> Callable[[Workspace], None]:
    return lambda w: w.edit(before, after)


# (what is edited, the edit, the stages that must run, those that may: whether they do depends on the bytes before them)
EDITS: list[tuple[str, Callable[[Workspace], None], set[str], set[str]]] = [
    ("nothing", lambda w: None, set(), set()),
    ("a comment", change("task_name:", "# a comment\ntask_name:"), set(), set()),
    ("the order of keys", reorder_the_keys, set(), set()),
    ("white space", change("[q8_0]", "[ q8_0 ]"), set(), set()),
    ("a duplicate row", duplicate_a_row, {"data"}, set()),
    ("the order of rows", reverse_the_rows, {"data"}, set()),
    ("the threshold", change("threshold: 0.5", "threshold: 0.6"), {"gate", "package", "papers", "report"}, set()),
    ("the bootstrap", change("resamples: 100", "resamples: 200"), {"select", "score"}, JUDGED - {"test", "attack"}),
    ("the goal", change("A task for tests.", "Another task."), {"package", "papers", "report"}, set()),
    (
        "the drop that is allowed",
        change("max_drop: 1.0", "max_drop: 0.9"),
        {"select", "package", "papers", "report"},
        set(),
    ),
    (
        "one more quantization",
        change("[q8_0]", "[q8_0, q4_0]"),
        {f"quantize-{V}-q4_0", f"predict-{V}-q4_0", "select", "test", "package", "papers", "report"},
        JUDGED,
    ),
    (
        "the learning rate",
        change("learning_rate: 1e-3", "learning_rate: 2e-3"),
        TRAINED | PREDICTED | {"select", "test", "package", "papers", "report"},
        JUDGED,
    ),
    (
        "a baseline",
        change("majority: true", "majority: false"),
        {"score", "gate", "package", "papers", "report"},
        set(),
    ),
]


OFTEN = {"a comment", "a duplicate row", "the threshold"}
CASES = [pytest.param(*case[1:], id=case[0], marks=() if case[0] in OFTEN else pytest.mark.thorough) for case in EDITS]


@pytest.mark.parametrize(("edit", "must", "may"), CASES)
def test_an_edit_runs_just_what_depends_on_it(
    workspace: Workspace, edit: Callable[[Workspace], None], must: set[str], may: set[str]
) -> None:
    edit(workspace)
    ran = workspace.repro()
    assert must <= ran <= must | may
    assert workspace.repro() == set()


@pytest.mark.thorough
def test_a_new_row_goes_all_the_way(workspace: Workspace) -> None:
    add_a_row(workspace)
    assert workspace.repro() >= {"data", "splits"}


def test_tunec_build_and_dvc_repro_agree(workspace: Workspace) -> None:
    """After either has run, the other finds nothing to do."""
    done = workspace.tunec("build", code=2)
    assert "stages unchanged" in done.stdout
    workspace.edit("threshold: 0.5", "threshold: 0.55")
    workspace.tunec("build", code=2)
    assert workspace.repro() == set()


def test_a_build_brings_back_an_output_that_is_gone_though_nothing_was_edited(workspace: Workspace) -> None:
    assert "19 stages unchanged" in workspace.tunec("build", code=2).stdout
    lost = workspace.root / "build/package/README.md"
    lost.unlink()
    assert "18 stages unchanged" in workspace.tunec("build", code=2).stdout
    assert lost.is_file()


def test_a_bare_repro_after_an_edit_of_the_task_says_to_compile(workspace: Workspace) -> None:
    workspace.edit("threshold: 0.5", "threshold: 0.6")
    done = workspace.dvc("repro", code=None)
    assert done.returncode != 0
    assert "T404" in done.stderr
    assert "tunec compile" in done.stderr


def plan(w: Workspace, *overrides: str, code: int = 0) -> dict[str, dict[str, Any]]:
    told = json.loads(w.tunec("plan", "--json", "--check", *overrides, code=code).stdout)
    return {step["name"]: step for step in told["stages"]}


def listed(steps: dict[str, dict[str, Any]], state: str) -> set[str]:
    return {name for name, step in steps.items() if step["state"] == state}


def test_the_plan_names_what_runs_and_why(workspace: Workspace) -> None:
    assert listed(plan(workspace), "cached") == plan(workspace).keys()
    workspace.edit("threshold: 0.5", "threshold: 0.6")
    steps = plan(workspace, code=3)
    assert {name for name, step in steps.items() if step["runs"]} == {"gate", "package", "papers", "report"}
    assert steps["gate"]["reasons"] == ["success_criteria.threshold 0.5 -> 0.6 (task.yaml:34)"]
    assert steps["package"]["reasons"] == ["after gate"]
    assert all(steps[name]["seconds"] > 0 for name in steps)
    why = workspace.tunec("why", "package").stdout
    assert why.splitlines()[1:] == ["└─ after gate", f"   └─ {steps['gate']['reasons'][0]}"]


@pytest.mark.thorough
def test_what_the_plan_lists_as_restored_dvc_restores(workspace: Workspace) -> None:
    """There and back: the second time the run cache has everything. A lost output lies in the cache as well."""
    workspace.edit("threshold: 0.5", "threshold: 0.6")
    source = workspace.root / "data/raw/rows.jsonl"
    rows_before = source.read_text()
    source.write_text(rows_before + rows_before.splitlines(True)[3])
    assert workspace.repro() == {"data", "gate", "package", "papers", "report"}
    workspace.edit("threshold: 0.6", "threshold: 0.5")
    source.write_text(rows_before)
    (workspace.root / "build/splits/dev.jsonl").unlink()
    steps = plan(workspace, code=3)
    assert steps["data"]["reasons"] == ["data/raw/rows.jsonl changed (41 -> 40 rows)"]
    assert listed(steps, "run") == set()
    assert listed(steps, "restored") == {"data", "splits", "gate", "package", "papers", "report"}
    workspace.tunec("compile")
    done = workspace.dvc("repro").stdout
    assert set(re.findall(r"^Stage '([^']+)' is cached", done, re.MULTILINE)) == listed(steps, "restored")
    assert set(re.findall(r"^Running stage '([^']+)'", done, re.MULTILINE)) == {GUARD_STAGE}
    assert listed(plan(workspace), "cached") == steps.keys()


@pytest.mark.parametrize("processes", ["forks", pytest.param("of their own", marks=pytest.mark.thorough)])
def test_the_same_task_builds_the_same_bytes(workspace: Workspace, built: object, processes: str) -> None:
    """From nothing, in another folder: every artifact but the measurements of speed. The guard's seal is none, for it
    says what is installed here; nor is the audit log, which says when. Processes of their own are started as a user's
    are: those that need transformers as forks of a warm one.
    """
    import shutil

    from tests.builds.conftest import make

    again = make(workspace.root.parent / "again", workspace.bin if processes == "forks" else Workspace.bin)
    again.tunec("build", code=2)
    for file in sorted((workspace.root / "build").rglob("*")):
        relative = file.relative_to(workspace.root)
        told = relative.parts[1] in ("logs", "audit", "report", ".tmp")
        measured = told or file.name in ("speed.json", ".guard.json")
        if file.is_file() and not measured and file.name != ".gitignore":
            assert (again.root / relative).read_bytes() == file.read_bytes(), relative
    shutil.rmtree(again.root)


def test_what_a_stage_made_while_its_parameters_changed_is_thrown_away(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVC reads params.yaml again after the command, and would take the old outcome for that of the new parameters."""
    from stages import gate, runner

    monkeypatch.chdir(workspace.root)
    before = Path("build/gate/verdict.json").read_bytes()

    def run(*given: Any) -> None:
        gate.run(*given)
        workspace.edit("threshold: 0.5", "threshold: 0.1", "params.yaml")

    monkeypatch.setattr(runner, "members", lambda *_: {"gate": replace(gate.STAGE, run=run)})
    with pytest.raises(UserError) as refused:
        runner.run("gate")
    assert refused.value.diagnostics[0].code == "T384"
    assert Path("build/gate/verdict.json").read_bytes() == before
