"""Eighteen variants are one graph that runs each stage once: side by side, after a kill, and when more is swept."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from filelock import FileLock

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
FOUR = ("sweep", "-m", "training.lora.r=8,16", "quantization=q8_0,q4_k_m")


@pytest.fixture(scope="module")
def swept(unbuilt: Workspace, for_all_workers: Path) -> tuple[Workspace, Counter[str]]:
    """The eighteen, built three stages at a time; and how often each stage ran."""
    shared = for_all_workers / "swept"
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            making = unbuilt.copy(shared.with_name("swept-in-the-making"))
            making.run("tunec", *EIGHTEEN, "-j", "3")
            (making.root / "counted.json").write_text(json.dumps(counted(making)), encoding="utf-8")
            making.root.parent.rename(shared)
    workspace = Workspace(shared / "w", shared / "house")
    return workspace, Counter(json.loads((workspace.root / "counted.json").read_text(encoding="utf-8")))


def test_eighteen_variants_run_each_stage_once(swept: tuple[Workspace, Counter[str]]) -> None:
    _, ran = swept
    assert by_kind(ran) == EVERYTHING
    assert set(ran.values()) == {1}


def test_a_second_time_nothing_runs_not_even_by_dvc_alone(
    swept: tuple[Workspace, Counter[str]], tmp_path: Path
) -> None:
    workspace = swept[0].copy(tmp_path)
    workspace.run("tunec", *EIGHTEEN)
    assert not counted(workspace)
    assert not workspace.repro()


def test_one_more_value_runs_only_what_is_new(swept: tuple[Workspace, Counter[str]], tmp_path: Path) -> None:
    workspace = swept[0].copy(tmp_path)
    workspace.run("tunec", "sweep", "-m", BOTH, "training.lora.r=8,16,32,64", FORMATS, "-j", "3")
    new = counted(workspace)
    assert set(new.values()) == {1}
    assert not {name for name in new if "-r" in name and "-r64" not in name}
    kinds = by_kind(new)
    assert {kind: kinds[kind] for kind in ("train", "export", "quantize", "predict")} == {
        "train": 2,
        "export": 2,
        "quantize": 6,
        "predict": 10,
    }
    assert not {"data", "splits", "model", "baseline"} & kinds.keys()


def test_a_lock_file_that_was_cut_off_is_no_reason_to_stop(
    swept: tuple[Workspace, Counter[str]], tmp_path: Path
) -> None:
    workspace = swept[0].copy(tmp_path)
    lock = workspace.root / "dvc.lock"
    text = lock.read_text(encoding="utf-8")
    lock.write_text(text[: text.index("md5:", len(text) // 2) + 4], encoding="utf-8")
    assert "dvc.lock was cut off" in workspace.run("tunec", *EIGHTEEN, "-j", "3").stdout
    assert not counted(workspace)  # the run cache knows them all
    assert lock.read_text(encoding="utf-8") == text


def test_a_plan_knows_what_is_there_and_leaves_the_graph_as_it_was(
    swept: tuple[Workspace, Counter[str]], tmp_path: Path
) -> None:
    workspace = swept[0].copy(tmp_path)
    before = (workspace.root / "dvc.yaml").read_bytes()
    told = json.loads(workspace.run("tunec", *EIGHTEEN, "training.epochs=2", "--plan", "--json").stdout)
    assert (told["variants"], told["files"]) == (6, 18)
    runs = {kind["name"]: kind["run"] for kind in told["stages"]}
    assert (runs["data"], runs["model"], runs["train"]) == (0, 0, 6)
    assert sum(kind["count"] for kind in told["stages"]) == sum(EVERYTHING.values()) < told["alone"]
    assert not counted(workspace) and (workspace.root / "dvc.yaml").read_bytes() == before


def test_the_results_are_shown_and_one_is_adopted(swept: tuple[Workspace, Counter[str]], tmp_path: Path) -> None:
    workspace = swept[0].copy(tmp_path)
    shown = json.loads(workspace.run("tunec", "sweep", "show", "--json").stdout)
    assert len(shown["trials"]) == 24 and shown["missing"] == 0  # eighteen and each training's f16
    best = [trial for trial in shown["trials"] if trial["smallest_within_noise"]]
    assert len(best) == 1 and best[0]["values"].keys() == shown["importance"].keys()
    workspace.run("tunec", "sweep", "show", "--parquet", "out.parquet")
    from pyarrow import parquet

    assert parquet.read_table(workspace.root / "out.parquet").num_rows == 24
    before = (workspace.root / "task.yaml").read_text(encoding="utf-8")
    workspace.run("tunec", "sweep", "adopt", "other-r32-q5_k_m")
    after = (workspace.root / "task.yaml").read_text(encoding="utf-8")
    wanted = before.replace("base_model: models/tiny", "base_model: models/other")
    wanted = wanted.replace("lora: {r: 16, ", "lora: {r: 32, ").replace("formats: [q8_0]", "formats: [q5_k_m]")
    assert after == wanted
    assert {"train-other-r32", "quantize-other-r32-q5_k_m"}.isdisjoint(workspace.repro())
    assert "T516" in workspace.run("tunec", "sweep", "adopt", "other-r32-q9", code=1).stderr


def test_a_build_that_was_killed_goes_on_where_it_was(workspace: Workspace) -> None:
    tell(workspace, slow={"train": 1.5})
    env = {**workspace._environment(), "PYTHONUNBUFFERED": "1"}
    command = [str(workspace.house / "bin" / "tunec"), *FOUR, "-j", "2"]
    build = subprocess.Popen(command, cwd=workspace.root, env=env, stdout=subprocess.DEVNULL)
    ran = workspace.root / RAN
    while not ran.is_file() or "train-" not in ran.read_text(encoding="utf-8"):
        assert build.poll() is None
        time.sleep(0.05)
    build.send_signal(signal.SIGKILL)
    build.wait()
    time.sleep(3)  # what it ran notices within a second
    begun = counted(workspace)
    tell(workspace)
    workspace.run("tunec", *FOUR, "-j", "2")
    then = counted(workspace)
    assert set(then.values()) == {1} and {"select", "report"} <= then.keys()
    assert len(begun.keys() & then.keys()) <= 2  # at most what ran when it was killed
    workspace.run("tunec", *FOUR)
    assert not counted(workspace)


def test_one_variant_that_fails_stops_no_other_and_the_rest_is_made_later(workspace: Workspace) -> None:
    tell(workspace, fail=["train-tiny-r16"])
    failed = workspace.run("tunec", *FOUR, "-j", "2", code=1)
    ran = by_kind(counted(workspace))
    assert (ran["train"], ran["export"], ran["quantize"], ran["predict"]) == (2, 1, 2, 4)
    assert "select" not in ran
    assert "T503" in failed.stderr and "1 stage failed: train-tiny-r16" in failed.stderr
    assert "made to fail" in (workspace.root / "build/logs/train-tiny-r16.log").read_text(encoding="utf-8")
    tell(workspace)
    workspace.run("tunec", *FOUR, "-j", "2")
    then = by_kind(counted(workspace))
    assert (then["train"], then["predict"], then["select"]) == (1, 4, 1)


def test_when_the_time_is_up_it_stops_and_goes_on_later(workspace: Workspace) -> None:
    workspace.run("tunec", *FOUR[:2], "training.lora.r=8", FOUR[3], "-j", "2")
    counted(workspace)
    tell(workspace, slow={"train": 60})
    stopped = workspace.run("tunec", *FOUR, "-j", "2", "--budget", "5s", code=1)
    assert "T504" in stopped.stderr
    assert "select" not in counted(workspace)
    tell(workspace)
    workspace.run("tunec", *FOUR, "-j", "2")
    then = counted(workspace)
    assert {"select", "train-tiny-r16"} <= then.keys() and "train-tiny-r8" not in then and "data" not in then


def test_a_variant_that_does_not_validate_stops_all_or_is_left_out(workspace: Workspace) -> None:
    wrong = ("sweep", "-m", "training.lora.r=8,0")
    stopped = workspace.run("tunec", *wrong, code=1)
    assert "T014" in stopped.stderr and "at training.lora.r=0 of the sweep" in stopped.stderr
    assert not counted(workspace)
    told = workspace.run("tunec", *wrong, "--plan", "--skip-invalid")
    assert "left out: training.lora.r=0" in told.stderr and "1 variants" in told.stdout


def test_a_key_that_nobody_knows_is_named(workspace: Workspace) -> None:
    wrong = workspace.run("tunec", "sweep", "-m", "training.lora.rnk=8,16", code=1)
    assert "T510" in wrong.stderr and "did you mean `training.lora.r`?" in wrong.stderr
    assert "T511" in workspace.run("tunec", "sweep", "-m", "training.lora.r=8,,16", code=1).stderr
    assert "T009" in workspace.run("tunec", "sweep", "x._target_=os.system", code=1).stderr
    assert "T513" in workspace.run("tunec", "sweep", "--budget", "soon", code=1).stderr


def test_a_sweep_of_conf_is_chosen_by_name(workspace: Workspace) -> None:
    told = json.loads(workspace.run("tunec", "sweep", "+sweep=rank", "--plan", "--json").stdout)
    assert told["variants"] == 3
    both = workspace.run("tunec", "sweep", "-m", "+sweep=rank", "training.epochs=1,2", "--plan", "--json")
    assert json.loads(both.stdout)["variants"] == 6


@pytest.fixture(autouse=True, scope="module")
def _cleared(for_all_workers: Path) -> None:
    shutil.rmtree(for_all_workers / "swept-in-the-making", ignore_errors=True)
