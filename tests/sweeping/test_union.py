"""Eighteen variants are one graph that runs each stage once: side by side, after a kill, and when more is swept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter

import pytest

from tests.rebuilds.conftest import Workspace
from tests.rebuilds.stand_in import RAN
from tests.sweeping.conftest import BOTH, EIGHTEEN, FORMATS, by_kind, counted, tell

pytestmark = pytest.mark.slow
EVERYTHING = {
    "data": 1,
    "splits": 1,
    "model": 2,
    "baseline": 4,  # majority and rule for all, the prompted base model for each of the two
    "train": 6,
    "export": 6,
    "quantize": 18,
    "predict": 18 + 6 + 6,  # and each training's own weights, and its f16
    **dict.fromkeys(("select", "test", "score", "gate", "package", "report"), 1),
}


def once(ran: Counter[str]) -> None:
    assert by_kind(ran) == EVERYTHING
    assert set(ran.values()) == {1}


def test_eighteen_variants_run_each_stage_once_and_a_second_time_none(workspace: Workspace) -> None:
    workspace.run("tunec", *EIGHTEEN)
    once(counted(workspace))
    workspace.run("tunec", *EIGHTEEN)
    assert not counted(workspace)
    workspace.dvc("repro")
    assert not counted(workspace)


def test_three_at_a_time_run_each_stage_once_and_one_more_value_only_what_is_new(workspace: Workspace) -> None:
    workspace.run("tunec", *EIGHTEEN, "-j", "3")
    once(counted(workspace))
    workspace.run("tunec", "sweep", "-m", BOTH, "training.lora.r=8,16,32,64", FORMATS, "-j", "3")
    new = counted(workspace)
    assert set(new.values()) == {1}
    assert {name for name in new if "-r" in name and "-r64" not in name} == set()
    assert {kind: by_kind(new)[kind] for kind in ("train", "export", "quantize", "predict")} == {
        "train": 2,
        "export": 2,
        "quantize": 6,
        "predict": 10,
    }
    assert not {"data", "splits", "model", "baseline"} & by_kind(new).keys()


def test_a_build_that_was_killed_goes_on_where_it_was(workspace: Workspace) -> None:
    tell(workspace, slow={"train": 1.0})
    env = {**workspace._environment(), "PYTHONUNBUFFERED": "1"}
    build = subprocess.Popen(
        ["tunec", *EIGHTEEN, "-j", "3"], cwd=workspace.root, env=env, stdout=subprocess.DEVNULL, executable=_tunec(env)
    )
    ran = workspace.root / RAN
    while not ran.is_file() or ran.read_text(encoding="utf-8").count("train-") < 3:
        assert build.poll() is None
        time.sleep(0.05)
    build.send_signal(signal.SIGKILL)
    build.wait()
    time.sleep(2.5)  # what it ran notices within a second
    begun = counted(workspace)
    tell(workspace)
    workspace.run("tunec", *EIGHTEEN, "-j", "3")
    then = counted(workspace)
    assert set(then.values()) == {1}
    both = {name for name in begun if name in then}
    assert len(both) <= 3 and both <= {name for name in begun if name.startswith(("train", "baseline", "model"))}
    assert set(begun) | set(then) == _names(workspace)
    workspace.run("tunec", *EIGHTEEN)
    assert not counted(workspace)


def test_a_lock_file_that_was_cut_off_is_no_reason_to_stop(workspace: Workspace) -> None:
    workspace.run("tunec", *EIGHTEEN, "-j", "3")
    counted(workspace)
    lock = workspace.root / "dvc.lock"
    text = lock.read_text(encoding="utf-8")
    lock.write_text(text[: len(text) // 2 + 7], encoding="utf-8")
    workspace.run("tunec", *EIGHTEEN, "-j", "3")
    assert not counted(workspace)  # the run cache knows them all


def test_one_variant_that_fails_stops_no_other(workspace: Workspace) -> None:
    tell(workspace, fail=["train-tiny-r16"])
    failed = workspace.run("tunec", *EIGHTEEN, "-j", "3", code=1)
    ran = by_kind(counted(workspace))
    assert ran["train"] == 6 and ran["export"] == 5 and ran["quantize"] == 15 and ran["predict"] == 25
    assert "select" not in ran
    assert "T503" in failed.stderr and "1 stage failed: train-tiny-r16" in failed.stderr
    assert "train-tiny-r16 is made to fail" in (workspace.root / "build/logs/train-tiny-r16.log").read_text()
    tell(workspace)
    workspace.run("tunec", *EIGHTEEN, "-j", "3")
    then = by_kind(counted(workspace))
    assert then["train"] == 1 and then["predict"] == 5 and then["select"] == 1


def test_the_time_is_up(workspace: Workspace) -> None:
    tell(workspace, slow={"train": 4})
    stopped = workspace.run("tunec", *EIGHTEEN, "-j", "2", "--budget", "12s", code=1)
    assert "T504" in stopped.stderr
    begun = counted(workspace)
    assert "select" not in begun and begun["train-tiny-r8"] + begun["train-other-r8"] >= 1
    tell(workspace)
    workspace.run("tunec", *EIGHTEEN, "-j", "2")
    assert "data" not in counted(workspace)


def test_a_plan_runs_nothing_and_leaves_the_graph_as_it_was(workspace: Workspace) -> None:
    workspace.compile()
    before = (workspace.root / "dvc.yaml").read_bytes()
    planned = workspace.run("tunec", *EIGHTEEN, "--plan", "--json")
    told = json.loads(planned.stdout)
    assert (told["variants"], told["files"]) == (6, 18)
    assert sum(kind["run"] for kind in told["stages"]) == sum(EVERYTHING.values()) < told["alone"]
    assert not counted(workspace) and (workspace.root / "dvc.yaml").read_bytes() == before
    text = workspace.run("tunec", *EIGHTEEN, "--plan", "--rate", "1.5").stdout
    assert "6 variants, 18 files" in text and "how long is not known" in text


def _names(workspace: Workspace) -> set[str]:
    import yaml

    return set(yaml.safe_load((workspace.root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]) - {"guard"}


def _tunec(env: dict[str, str]) -> str:
    return next(f"{place}/tunec" for place in env["PATH"].split(os.pathsep) if os.access(f"{place}/tunec", os.X_OK))
