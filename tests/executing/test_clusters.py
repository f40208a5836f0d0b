"""Stages as jobs of a cluster: what is asked of it, and what becomes of a job when either side goes away."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from stages.diagnostics import UserError
from tests.executing.places import PROBE, ROOT, Place, make, until
from tunec.executing import tether
from tunec.executing.base import Job
from tunec.executing.ray import OnRay
from tunec.executing.slurm import Slurm

SLURM = {"type": "slurm", "gpus": 1, "time": "8h", "partition": "long", "account": "us"}
# What `tunec run` does where `sbatch` is; here the jobs are processes of this machine.
LOCALLY = """\
import sys
from pathlib import Path
from tunec.executing.base import Job
from tunec.executing.slurm import Slurm
if __name__ == "__main__":
    from tunec import start
    sys.exit(start._worded(lambda: Slurm({"type": "slurm"}, cluster="local").run(Job(Path(), sys.argv[1]))))
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A workspace. `probe` beside it gets the processes that run stages; while there is a `probe.hold`, they wait."""
    (tmp_path / "sitecustomize.py").write_text(PROBE, encoding="utf-8")
    path = f"{ROOT}{os.pathsep}{tmp_path}"
    return make(tmp_path / "w", {"PYTHONPATH": path, "HOME": str(tmp_path)})


def ran(place: Place) -> list[int]:
    probe = place.root.with_name("probe")
    return [int(pid) for pid in probe.read_text().split()] if probe.exists() else []


def hold(place: Place) -> Path:
    return place.root.with_name("probe.hold")


def start(place: Place, stage: str = "data") -> subprocess.Popen[str]:
    pytest.importorskip("submitit")
    env = {**os.environ, **place.environ}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", LOCALLY, stage], cwd=place.root, env=env, stdout=pipe, stderr=pipe, text=True
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    with process:
        _, said = process.communicate(timeout=60)
    return process.returncode, said


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


# ---------------------------------------------------------------- Slurm


@pytest.mark.slow
def test_a_job_writes_what_the_stage_writes_here(place: Place, tmp_path: Path) -> None:
    here = make(tmp_path / "here")
    here.tunec("run", "data")
    assert ended(start(place)) == (0, "")
    assert place.written("data") == here.written("data")
    assert len(ran(place)) == 1
    assert not list((tmp_path / ".cache/tunec/jobs").iterdir()), "pickles were left"


def test_every_key_reaches_slurm() -> None:
    pytest.importorskip("submitit")
    from submitit.slurm.slurm import SlurmExecutor, _make_sbatch_string

    asked = Slurm(SLURM).parameters("train-x")
    slurm = {name.removeprefix("slurm_"): value for name, value in asked.items()}
    slurm["time"] = slurm.pop("timeout_min")
    slurm["job_name"] = slurm.pop("name")
    assert slurm.keys() <= SlurmExecutor._valid_parameters()
    script = _make_sbatch_string(command="x", folder="f", **slurm)
    for line in ("job-name=tunec-train-x", "time=480", "partition=long", "account=us", "gpus-per-node=1"):
        assert f"#SBATCH --{line}\n" in script
    assert Slurm({"type": "slurm"}).parameters("x") == {"name": "tunec-x", "slurm_signal_delay_s": 30}


def test_a_machine_that_submits_to_no_cluster_says_so(place: Place) -> None:
    pytest.importorskip("submitit")
    if shutil.which("sbatch"):
        pytest.skip("this machine submits to a cluster")
    place.execute({"type": "slurm"})
    assert "error[T540]" in place.tunec("run", "data", code=1)


@pytest.mark.slow
def test_a_refusal_comes_back_as_it_was_said(place: Place) -> None:
    (place.root / "data/raw/rows.jsonl").write_text('{"text": "a", "output": {"people": 2}}\n')
    told = place.root / "events.jsonl"
    place.environ["TUNEC_EVENTS"] = str(told)
    code, _ = ended(start(place))
    assert code == 1 and '"T301"' in told.read_text()


@pytest.mark.slow
def test_a_job_whose_stage_is_killed_says_so(place: Place) -> None:
    hold(place).touch()
    process = start(place)
    until(lambda: ran(place))
    os.kill(ran(place)[0], signal.SIGKILL)
    code, said = ended(process)
    assert code == 1 and "error[T538]" in said and not place.written("data")
    hold(place).unlink()
    assert ended(start(place))[0] == 0


@pytest.mark.slow
def test_a_job_that_the_cluster_ends_says_so(place: Place) -> None:
    hold(place).touch()
    process = start(place)
    until(lambda: ran(place))
    stage = ran(place)[0]
    hold(place).unlink()
    for above in psutil.Process(stage).parents():
        if "submitit.core" in " ".join(above.cmdline()):
            above.kill()
    code, said = ended(process)
    assert code == 1 and "error[T541]" in said
    until(lambda: gone(stage))


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", [pytest.param(signal.SIGINT, marks=pytest.mark.thorough), signal.SIGTERM], ids=lambda how: how.name
)
def test_stopping_here_stops_the_job(place: Place, how: signal.Signals) -> None:
    hold(place).touch()
    process = start(place)
    until(lambda: ran(place))
    process.send_signal(how)
    assert ended(process)[0]
    until(lambda: gone(ran(place)[0]))
    assert not place.written("data")


# ---------------------------------------------------------------- the tether


@pytest.fixture
def job(place: Place) -> tether.Tied:
    return tether.Tied(str(place.root), "data", "0" * 16, {**place.environ}, beat=0.1, patience=1.0)


@pytest.mark.slow
def test_a_job_that_hears_nothing_more_ends_its_stage(place: Place, job: tether.Tied) -> None:
    hold(place).touch()
    with tether.Held(job) as held:
        held._ended.set()
        assert tether.run(job) == tether.STOPPED
        assert gone(ran(place)[0])


@pytest.mark.slow
def test_a_job_that_hears_all_along_runs_longer_than_its_patience(place: Place, job: tether.Tied) -> None:
    import threading

    hold(place).touch()
    with tether.Held(job):
        threading.Timer(2.5, hold(place).unlink).start()
        assert tether.run(job) == 0
    assert place.written("data") and not job.folder.exists()


def test_a_node_that_sees_another_folder_runs_nothing(place: Place, job: tether.Tied) -> None:
    from tunec.executing.cluster import ended as ended_with

    with tether.Held(job):
        assert tether.run(replace(job, word="f" * 16)) == tether.UNSEEN
    assert tether.run(job) == tether.UNSEEN
    assert not ran(place)
    with pytest.raises(UserError) as refused:
        ended_with("data", tether.UNSEEN)
    assert refused.value.diagnostics[0].code == "T542"


# ---------------------------------------------------------------- Ray


def test_every_key_reaches_ray() -> None:
    assert OnRay({"type": "ray", "gpus": 2}).options("train-x") == {
        "name": "tunec train-x",
        "num_gpus": 2,
        "max_retries": 0,
    }


@pytest.mark.slow
def test_no_cluster_there_is_said(place: Place) -> None:
    pytest.importorskip("ray")
    place.execute({"type": "ray", "address": "127.0.0.1:1", "gpus": 0})
    assert "error[T544]" in place.tunec("run", "data", code=1)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A cluster of this machine alone."""
    pytest.importorskip("ray")
    from tests.executing.places import free_port

    port = free_port()
    ray = [str(Path(sys.executable).with_name("ray"))]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_DISABLE_IMPORT_WARNING": "1"}
    small = ["--num-cpus", "2", "--object-store-memory", "80000000", "--include-dashboard", "false"]
    started = [*ray, "start", "--head", "--disable-usage-stats", "--port", str(port), *small]
    subprocess.run(started, env=env, check=True, capture_output=True, timeout=120)
    yield f"127.0.0.1:{port}"
    subprocess.run([*ray, "stop", "--force"], env=env, check=False, capture_output=True, timeout=60)


@pytest.mark.slow
def test_a_task_of_ray_writes_what_the_stage_writes_here(place: Place, cluster: str, tmp_path: Path) -> None:
    here = make(tmp_path / "here")
    here.tunec("run", "data")
    place.execute({"type": "ray", "address": cluster, "gpus": 0})
    place.tunec("run", "data")
    assert place.written("data") == here.written("data")
    assert len(ran(place)) == 1


@pytest.mark.slow
def test_a_worker_of_ray_that_is_killed_is_said(place: Place, cluster: str) -> None:
    place.execute({"type": "ray", "address": cluster, "gpus": 0})
    hold(place).touch()
    with place.start("run", "data") as process:
        until(lambda: ran(place), 60)
        stage = ran(place)[0]
        hold(place).unlink()
        psutil.Process(stage).parent().kill()  # type: ignore[union-attr]
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and "error[T545]" in said
    until(lambda: gone(stage))
    place.tunec("run", "data")
    assert place.written("data")


@pytest.mark.slow
def test_stopping_here_stops_the_task(place: Place, cluster: str) -> None:
    place.execute({"type": "ray", "address": cluster, "gpus": 0})
    hold(place).touch()
    with place.start("run", "data") as process:
        until(lambda: ran(place), 60)
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode
    until(lambda: gone(ran(place)[0]))


def test_a_type_without_its_library_names_the_extra(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from tunec.executing import cluster as clusters

    monkeypatch.setattr(clusters.importlib.util, "find_spec", lambda name: None)
    executors: tuple[Any, ...] = (Slurm({"type": "slurm"}), OnRay({"type": "ray"}))
    for executor in executors:
        with pytest.raises(UserError) as refused:
            executor.run(Job(place.root, "data"))
        assert refused.value.diagnostics[0].code == "T543"
