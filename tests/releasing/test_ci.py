"""`tunec ci`: a page for a pull request, and an exit code that a workflow can stop at."""

from __future__ import annotations

import re

import pytest

from tests.releasing.small import Small


def test_a_first_build_is_told_with_its_gates_and_figures(small: Small) -> None:
    before = small.state()
    said = small.tunec("ci").out
    assert said.startswith("## tiny-slots: ship\n")
    assert "| threshold | pass | as it was made up |" in said
    assert "There is no release yet to compare with." in said
    assert "| exact_match | 0.750 \\[0.650, 0.850\\] |" in said
    assert "stages are up to date." in said
    assert small.state() == before


def test_a_build_is_held_against_the_last_release(released: Small) -> None:
    released.edit("goal: Another goal.", "goal: A third goal.")
    released.build(salt="c", right=5, rows=30)
    said = released.tunec("ci").out
    assert "### Against tiny-slots-v1.1" in said
    assert re.search(r"\| exact_match \| 0\.875 \S+ \S+ \| 0\.625 \S+ \S+ \|", said), said
    assert re.search(r"exact_match -0\.250 \[\S+, \S+\] on the 8 test rows that both answered", said)
    assert "- 0 rows fixed\n- 2 rows broken: `" in said
    assert "- patch: goal Another goal. -> A third goal." in said
    assert "please" not in said, "rows are private"


@pytest.mark.parametrize("verdict", ["do_not_ship", "not_enough_evidence"])
def test_a_gate_that_failed_ends_with_2(verdict: str, small: Small) -> None:
    small.build(verdict=verdict)
    assert small.tunec("ci", code=2).out.startswith(f"## tiny-slots: {verdict.replace('_', ' ')}\n")


def test_a_stale_build_ends_with_3_and_the_plan(small: Small) -> None:
    small.edit("threshold: 0.5", "threshold: 0.6")
    said = small.tunec("ci", code=3).out
    assert said.startswith("## tiny-slots: not built\n")
    assert re.search(r"\| gate \| run \| .*threshold.* \|", said), said


def test_nothing_in_a_page_is_markup(small: Small) -> None:
    small.edit("goal: A task for tests.", 'goal: "<img src=x onerror=alert(1)> | `x` [a](b)"')
    small.build()
    small.release()
    small.edit("<img src=x", "<script src=x")
    small.build()
    said = small.tunec("ci").out
    assert "\\<script src=x" in said and "<script" not in said.replace("\\<script", "")


def test_without_git_or_a_build_the_fix_is_told(small: Small) -> None:
    (small.root / "build/gate/verdict.json").unlink()
    assert "## tiny-slots: not built" in small.tunec("ci", code=3).out


def test_the_workflow_in_the_docs_calls_commands_that_there_are() -> None:
    import typer
    import yaml

    from tests.compiling import ROOT
    from tunec.cli import app

    workflow = yaml.safe_load((ROOT / "docs/github-actions.yml").read_text(encoding="utf-8"))
    steps = [step["run"] for step in workflow["jobs"]["model"]["steps"] if "run" in step]
    called = {run.split()[1] for run in steps if run.startswith("tunec ")}
    assert called == {"check", "build", "ci"} <= set(typer.main.get_command(app).commands)
    assert workflow["permissions"] == {"contents": "read"}
