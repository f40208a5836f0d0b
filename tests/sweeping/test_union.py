"""Eighteen variants are one graph that runs each stage once: side by side, after a kill, and when more is swept."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.once import once
from tests.rebuilds.conftest import Workspace
from tests.rebuilds.stand_in import RAN
from tests.sweeping.conftest import BLOCK, EIGHTEEN, FOUR, by_kind, counted, tell
from tunec.dvc import COMPILED

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
    **dict.fromkeys(("select", "test", "attack", "score", "gate", "package", "papers", "report"), 1),
}


@pytest.fixture(scope="module")
def swept(unbuilt: Workspace, for_all_workers: Path) -> tuple[Workspace, Counter[str]]:
    """The eighteen, built three stages at a time; and how often each stage ran."""
    shared = once(for_all_workers, "swept", lambda to: sweep(unbuilt.copy(to)))
    workspace = Workspace(shared / "w", shared / "house")
    return workspace, Counter(json.loads((workspace.root / "counted.json").read_text(encoding="utf-8")))


def sweep(making: Workspace) -> None:
    making.run("tunec", *EIGHTEEN, "-j", "3")
    (making.root / "counted.json").write_text(json.dumps(counted(making)), encoding="utf-8")


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


def test_the_words_of_the_task_and_of_the_command_line_are_one_graph(four: Workspace) -> None:
    before = (four.root / "dvc.yaml").read_text(encoding="utf-8")
    four.run("tunec", *FOUR)
    assert not counted(four)
    after = (four.root / "dvc.yaml").read_text(encoding="utf-8")
    assert [one for one in before.splitlines() if "sweep=" not in one] == [
        one for one in after.splitlines() if "sweep=" not in one
    ]


def test_one_more_value_runs_only_what_is_new(four: Workspace) -> None:
    four.run("tunec", "sweep", "-m", "training.lora.r=8,16,64", FOUR[3], "-j", "3")
    new = counted(four)
    assert set(new.values()) == {1}
    assert not {name for name in new if "-r" in name and "-r64" not in name}
    kinds = by_kind(new)
    assert {kind: kinds[kind] for kind in ("train", "export", "quantize", "predict")} == {
        "train": 1,
        "export": 1,
        "quantize": 2,
        "predict": 4,
    }
    assert not {"data", "splits", "model", "baseline"} & kinds.keys()


def test_a_lock_file_that_was_cut_off_is_no_reason_to_stop(four: Workspace) -> None:
    lock = four.root / "dvc.lock"
    text = lock.read_text(encoding="utf-8")
    lock.write_text(text[: text.index("md5:", len(text) // 2) + 4], encoding="utf-8")
    assert "dvc.lock was cut off" in four.run("tunec", *FOUR, "-j", "3").stdout
    assert not counted(four)  # the run cache knows them all
    assert yaml.safe_load(lock.read_text(encoding="utf-8")) == yaml.safe_load(text)


def test_a_plan_knows_what_is_there_and_leaves_the_graph_as_it_was(four: Workspace) -> None:
    before = (four.root / "dvc.yaml").read_bytes()
    told = json.loads(four.run("tunec", *FOUR, "training.epochs=2", "--plan", "--json", "--rate", "2").stdout)
    assert (told["variants"], told["files"]) == (2, 4)
    runs = {kind["name"]: kind["run"] for kind in told["stages"]}
    assert (runs["data"], runs["model"], runs["train"]) == (0, 0, 2)
    assert sum(kind["count"] for kind in told["stages"]) < told["alone"]
    assert told["cost"] == pytest.approx(told["seconds"] / 3600 * 2)
    assert not counted(four) and (four.root / "dvc.yaml").read_bytes() == before


def test_json_is_all_that_goes_to_standard_output(four: Workspace) -> None:
    built = four.run("tunec", *FOUR, "--json")
    assert json.loads(built.stdout) and "unchanged" in built.stderr


def test_the_results_are_shown_and_one_is_adopted(four: Workspace) -> None:
    shown = json.loads(four.run("tunec", "sweep", "show", "--json").stdout)
    assert len(shown["trials"]) == 6 and shown["missing"] == 0  # four and each training's f16
    assert all(trial["quality"].keys() >= {"value", "low", "high"} for trial in shown["trials"])
    assert any(trial["pareto"] for trial in shown["trials"])
    best = [trial for trial in shown["trials"] if trial["smallest_within_noise"]]
    assert len(best) == 1 and best[0]["values"].keys() == shown["importance"].keys()
    four.run("tunec", "sweep", "show", "--parquet", "out.parquet")
    from pyarrow import parquet

    table = parquet.read_table(four.root / "out.parquet")
    assert [row["name"] for row in table.to_pylist()] == [trial["name"] for trial in shown["trials"]]
    assert {"quality_value", "quality_low", "training.lora.r", "quantization.formats"} <= set(table.column_names)
    sizes = json.loads(four.run("tunec", "sweep", "show", "--json", "--sort", "size").stdout)["trials"]
    assert [trial["bytes"] for trial in sizes] == sorted(trial["bytes"] for trial in sizes)
    before = (four.root / "task.yaml").read_text(encoding="utf-8")
    four.edit("training:\n", "# How it is trained.\ntraining: # small\n")
    four.run("tunec", "sweep", "adopt", "tiny-r8-q4_k_m")
    after = (four.root / "task.yaml").read_text(encoding="utf-8")
    wanted = before.replace("training:\n", "# How it is trained.\ntraining: # small\n")
    assert after == wanted.replace("lora: {r: 16, ", "lora: {r: 8, ").replace("formats: [q8_0]", "formats: [q4_k_m]")
    assert {"train-tiny-r8", "quantize-tiny-r8-q4_k_m"}.isdisjoint(four.repro())
    assert "T516" in four.run("tunec", "sweep", "adopt", "tiny-r8-q9", code=1).stderr


def test_what_another_build_would_do_is_asked_beside_one_and_does_it_no_harm(four: Workspace) -> None:
    """Two stages train for some seconds, one after the other, while the plan asks for another graph."""
    tell(four, slow={"train": 4})
    command = [str(four.house / "bin" / "tunec"), "build", "training.epochs=2", BLOCK]
    env = four._environment()
    build = subprocess.Popen(command, cwd=four.root, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_for(four, build, "train-")
    texts = {name: (four.root / name).read_bytes() for name in COMPILED}
    plan = json.loads(four.run("tunec", "plan", "training.epochs=3", BLOCK, "--json").stdout)
    runs = {stage["name"]: stage["reasons"] for stage in plan["stages"] if stage["runs"]}
    for name in ("train-tiny-r8", "train-tiny-r16"):
        assert any("training.epochs" in reason and "3" in reason for reason in runs[name])
    assert not {"data", "splits", "model-tiny"} & runs.keys()
    told = json.loads(four.run("tunec", *FOUR, "training.epochs=4", "--plan", "--json").stdout)
    assert (told["variants"], told["files"]) == (2, 4)
    assert build.poll() is None and {name: (four.root / name).read_bytes() for name in COMPILED} == texts
    said, _ = build.communicate()
    assert "T4" not in said.decode() and {"train-tiny-r8", "train-tiny-r16", "report"} <= counted(four).keys()
    assert not four.repro()


MORE = ("sweep", "-m", "training.lora.r=8,16,32,64", "quantization=q8_0")


def wait_for(workspace: Workspace, build: subprocess.Popen[bytes], stage: str) -> None:
    """Until a stage begins whose name begins so."""
    ran = workspace.root / RAN
    while not ran.is_file() or stage not in ran.read_text(encoding="utf-8"):
        assert build.poll() is None
        time.sleep(0.05)


def test_a_build_that_was_killed_goes_on_where_it_was(four: Workspace) -> None:
    tell(four, slow={"train": 1.5})
    env = {**four._environment(), "PYTHONUNBUFFERED": "1"}
    command = [str(four.house / "bin" / "tunec"), *MORE, "-j", "2"]
    build = subprocess.Popen(command, cwd=four.root, env=env, stdout=subprocess.DEVNULL)
    wait_for(four, build, "train-")
    build.send_signal(signal.SIGKILL)
    build.wait()
    time.sleep(3)  # what it ran notices within a second
    begun = counted(four)
    tell(four)
    four.run("tunec", *MORE, "-j", "2")
    then = counted(four)
    assert set(then.values()) == {1} and {"train-tiny-r64", "train-tiny-r32", "select", "report"} <= then.keys()
    assert len(begun.keys() & then.keys()) <= 2  # at most what ran when it was killed
    four.run("tunec", *MORE)
    assert not counted(four)


def test_one_variant_that_fails_stops_no_other_and_the_rest_is_made_later(four: Workspace) -> None:
    tell(four, fail=["train-tiny-r32"])
    failed = four.run("tunec", *MORE, "-j", "2", code=1)
    ran = by_kind(counted(four))
    assert (ran["train"], ran["export"], ran["quantize"], ran["predict"]) == (2, 1, 1, 3)
    assert "select" not in ran
    assert "T503" in failed.stderr and "1 stage failed: train-tiny-r32" in failed.stderr
    assert "made to fail" in (four.root / "build/logs/train-tiny-r32.log").read_text(encoding="utf-8")
    shown = json.loads(four.run("tunec", "sweep", "show", "--json").stdout)  # the others can be looked at
    assert shown["missing"] == 2 and not {trial["name"] for trial in shown["trials"] if "r32" in trial["name"]}
    tell(four)
    four.run("tunec", *MORE, "-j", "2")
    then = by_kind(counted(four))
    assert (then["train"], then["predict"], then["select"]) == (1, 3, 1)


def test_when_the_time_is_up_it_stops_and_goes_on_later(four: Workspace) -> None:
    tell(four, slow={"train": 60})
    stopped = four.run("tunec", *MORE, "-j", "2", "--budget", "4s", code=1)
    assert "T504" in stopped.stderr
    assert "select" not in counted(four)
    tell(four)
    four.run("tunec", *MORE, "-j", "2")
    then = counted(four)
    assert {"select", "train-tiny-r32"} <= then.keys() and "train-tiny-r8" not in then and "data" not in then


def test_a_variant_that_does_not_validate_stops_all_or_is_left_out(workspace: Workspace) -> None:
    wrong = ("sweep", "-m", "training.lora.r=8,0")
    stopped = workspace.run("tunec", *wrong, code=1)
    assert "T014" in stopped.stderr and "at training.lora.r=0 of the sweep" in stopped.stderr
    assert not counted(workspace)
    told = workspace.run("tunec", *wrong, "--plan", "--skip-invalid")
    assert "left out: training.lora.r=0" in told.stderr and "1 variant, 1 file" in told.stdout


def test_a_key_that_nobody_knows_is_named(workspace: Workspace) -> None:
    wrong = workspace.run("tunec", "sweep", "-m", "training.lora.rnk=8,16", code=1)
    assert "T510" in wrong.stderr and "did you mean `training.lora.r`?" in wrong.stderr
    assert "T511" in workspace.run("tunec", "sweep", "-m", "training.lora.r=8,,16", code=1).stderr
    alone = workspace.run("tunec", "sweep", "training.lora.r=8,16", code=1).stderr
    assert "without `-m`" in alone and "`tunec sweep -m training.lora.r=8,16`" in alone
    assert "T009" in workspace.run("tunec", "sweep", "x._target_=os.system", code=1).stderr
    assert "T513" in workspace.run("tunec", "sweep", "--budget", "soon", code=1).stderr


def test_a_value_that_nobody_knows_is_named(workspace: Workspace) -> None:
    wrong = workspace.run("tunec", "sweep", "-m", "quantization=q8_0,q4km", "training.prompt=system,nome", code=1)
    assert "did you mean `q4_k_m`?" in wrong.stderr and "did you mean `none`?" in wrong.stderr
    assert "did you mean `rank`?" in workspace.run("tunec", "sweep", "+sweep=rnak", code=1).stderr
    assert not counted(workspace)


def test_a_sweep_whose_points_are_all_one_says_so(workspace: Workspace) -> None:
    told = workspace.run("tunec", "sweep", "-m", "training.lora.r=8,8", "--plan", "--json")
    assert "warning[T501]: all 2 points of the sweep are one: training.lora.r=8" in told.stderr
    assert json.loads(told.stdout)["variants"] == 1


def test_two_variants_that_are_one_are_merged_with_a_note(workspace: Workspace) -> None:
    same = ("sweep", "-m", "training.lora.r=8,16", "training.lora.alpha=32,32.0", "--plan", "--json")
    told = workspace.run("tunec", *same)
    assert json.loads(told.stdout)["variants"] == 2 and "T50" in told.stderr


def test_a_sweep_of_conf_is_chosen_by_name(workspace: Workspace) -> None:
    told = json.loads(workspace.run("tunec", "sweep", "+sweep=rank", "--plan", "--json").stdout)
    assert told["variants"] == 3
    both = workspace.run("tunec", "sweep", "-m", "+sweep=rank", "training.epochs=1,2", "--plan", "--json")
    assert json.loads(both.stdout)["variants"] == 6
