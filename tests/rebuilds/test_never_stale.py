"""A bare `dvc repro`, with no `tunec compile` before it, is never silently stale: it does what must be done, or it
stops and says to compile. The whole of DVC, as a person starts it.
"""

from __future__ import annotations

import pytest

from tests.rebuilds.conftest import V, Workspace
from tests.rebuilds.stand_in import RAN

pytestmark = pytest.mark.slow


def bare_repro(workspace: Workspace) -> set[str]:
    (workspace.root / RAN).unlink(missing_ok=True)
    workspace.dvc("repro")
    return workspace.ran()


def stops(workspace: Workspace) -> None:
    """With the words that help, and with nothing done."""
    (workspace.root / RAN).unlink()
    stopped = workspace.dvc("repro", code=None)
    assert stopped.returncode != 0
    assert "T404" in stopped.stderr and "run `tunec compile`" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert workspace.ran() == set()


def stops_until_compiled(workspace: Workspace) -> None:
    stops(workspace)
    workspace.run("tunec", "compile")
    assert bare_repro(workspace)


def test_an_edit_of_the_task(workspace: Workspace) -> None:
    workspace.edit("epochs: 1", "epochs: 2")
    stops_until_compiled(workspace)


def test_a_comment_in_the_task_is_no_reason_to_stop(workspace: Workspace) -> None:
    workspace.edit("epochs: 1", "epochs: 1 # one is enough")
    assert bare_repro(workspace) == set()


@pytest.mark.thorough
def test_an_edit_of_a_preset_of_the_workspace(workspace: Workspace) -> None:
    workspace.write("conf/method/sft.yaml", "training: {weight_decay: 0.1}\n")
    stops(workspace)


def test_an_edit_of_a_shipped_preset(workspace: Workspace) -> None:
    workspace.edit_house("conf/defaults.yaml", "weight_decay: 0.0", "weight_decay: 0.1")
    stops(workspace)


def test_a_new_file_that_a_pattern_matches(workspace: Workspace) -> None:
    workspace.write("data/raw/more/b.csv", 'utterance,slots\nFor 2 people,"{""people"": ""2""}"\n')
    stops(workspace)


def test_an_edit_of_the_compiled_graph(workspace: Workspace) -> None:
    workspace.edit("cmd: tunec run report", "cmd: tunec run report --fast", "dvc.yaml")
    stops(workspace)


def test_an_edit_of_a_stage_s_code(workspace: Workspace) -> None:
    workspace.edit_house("stages/curves.py", "CURVE_POINTS = 200", "CURVE_POINTS = 100")
    assert bare_repro(workspace) == {f"train-{V}"}


def test_an_edit_of_a_stage_s_docstring(workspace: Workspace) -> None:
    workspace.edit_house("stages/train.py", '"""Train on the train rows by', '"""Train by')
    assert bare_repro(workspace) == set()


def test_the_upgrade_of_a_library(workspace: Workspace) -> None:
    workspace.upgrade("trl")
    assert bare_repro(workspace) == {f"train-{V}"}


def test_an_upgrade_and_the_way_back(workspace: Workspace) -> None:
    """The second is known from the run cache: nothing runs, and the outputs are those of before."""
    before = (workspace.root / f"build/train-{V}/curve.csv").read_bytes()
    workspace.upgrade("trl", "98.0")
    assert bare_repro(workspace) == {f"train-{V}"}
    workspace.downgrade("trl")
    assert bare_repro(workspace) == set()
    assert (workspace.root / f"build/train-{V}/curve.csv").read_bytes() == before


@pytest.mark.thorough
def test_a_changed_row(workspace: Workspace) -> None:
    workspace.edit("request 3.", "call 3.", "data/raw/rows.jsonl")
    assert {"data", "splits"} <= bare_repro(workspace)


@pytest.mark.thorough
def test_overrides_that_were_compiled_in_stay(workspace: Workspace) -> None:
    workspace.run("tunec", "compile", "training.epochs=2")
    assert f"train-{V}" in bare_repro(workspace)
    assert bare_repro(workspace) == set()


def test_a_seal_that_somebody_wrote_is_no_leave_to_be_stale(workspace: Workspace) -> None:
    workspace.write("build/.guard.json", "{}")
    workspace.edit("epochs: 1", "epochs: 2")
    stops(workspace)
