"""The section `execution`: what it may say, who sets it, and where it goes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from compiler.execution import READS, Execution, minutes
from compiler.parse import ParseError
from compiler.workspace import Preset
from stages.diagnostics import UserError
from tests.compiling import MINIMAL, compile_task, compiled, refused, shipped, told
from tests.in_memory import Memory
from tunec.dvc import GUARD_FILE
from tunec.executing import executor, settings, warm
from tunec.executing.base import Job, Slots
from tunec.executing.sharing import shared
from tunec.executing.ssh import Host
from tunec.guard import recorded_overrides

REMOTE = "execution: {type: remote_ssh, host: me@gpu}\n"


def meta(text: str, overrides: list[str] | None = None) -> Any:
    """What the guard's file tells `tunec run`."""
    found = compiled(text, overrides=overrides)
    return yaml.safe_load(found.guard_yaml)["stages"]["guard"]["meta"].get("execution")


def test_a_local_build_writes_nothing_down() -> None:
    assert meta(MINIMAL) is None
    assert compiled(MINIMAL + "execution: {type: local}\n").guard_yaml == compiled(MINIMAL).guard_yaml


def test_a_preset_fills_in_what_the_task_leaves_out() -> None:
    assert meta(MINIMAL + REMOTE) == {
        "type": "remote_ssh",
        "host": "me@gpu",
        "folder": ".cache/tunec",
        "python": "python3",
    }
    assert meta(MINIMAL + "execution: slurm\n") == {"type": "slurm", "gpus": 1, "time": "4h"}
    assert meta(MINIMAL + "execution: {type: ray, address: 'head:6379'}\n") == {
        "type": "ray",
        "address": "head:6379",
        "gpus": 1,
    }


def test_what_runs_it_reads_it_out_of_the_guard_s_file(tmp_path: Path) -> None:
    (tmp_path / ".tunec").mkdir()
    (tmp_path / GUARD_FILE).write_text(compiled(MINIMAL + REMOTE).guard_yaml)
    assert Host.of(settings(tmp_path)).name == "me@gpu"
    (tmp_path / GUARD_FILE).write_text(compiled(MINIMAL).guard_yaml)
    assert settings(tmp_path) == {}


@pytest.mark.parametrize("meta", ["abc", "{}", "{overrides: 5}", "{overrides: [], execution: abc}", "[", "\0"])
def test_a_guard_s_file_that_was_spoilt_or_lost_runs_nothing(meta: str, tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / ".tunec").mkdir()
    for text in (None, f"stages: {{guard: {{meta: {meta}}}}}\n"):
        if text:
            (tmp_path / GUARD_FILE).write_text(text)
        with pytest.raises(UserError) as told:
            settings(tmp_path)
        assert [found.code for found in told.value.diagnostics] == ["T404"]
    assert recorded_overrides(tmp_path) == []


def test_the_command_line_chooses_another_place() -> None:
    assert meta(MINIMAL + REMOTE, ["execution=local"]) is None
    assert meta(MINIMAL + REMOTE, ["execution.type=local"]) is None
    assert meta(MINIMAL, ["execution=slurm", "execution.time=2d"]) == {"type": "slurm", "gpus": 1, "time": "2d"}
    assert meta(MINIMAL + "execution: slurm\n", ["execution.gpus=4"]) == {"type": "slurm", "gpus": 4, "time": "4h"}


@pytest.mark.parametrize("line", ["execution: box\n", "execution: {type: box}\n"])
def test_a_preset_of_one_s_own_names_a_machine(line: str) -> None:
    text = "execution: {type: remote_ssh, host: me@box, folder: runs, python: py/bin/python}\n"
    own = {**shipped(), "execution": {**shipped()["execution"], "box": Preset("conf/execution/box.yaml", text)}}
    found = compile_task(MINIMAL + line, Memory(frozenset({"data/raw/rows.jsonl"}), own))
    assert found.task.execution.type == "remote_ssh" and found.task.execution.host == "me@box"


@pytest.mark.parametrize(
    "key", [key for key in Execution.model_fields if key not in ("type", "slots", *READS["local"])]
)
def test_a_key_that_the_type_does_not_read_is_warned_of(key: str) -> None:
    value = {"port": 22, "gpus": 1, "time": "1h", "address": "auto"}.get(key, "x")
    codes = [found.code for found in told(MINIMAL + f"execution: {{{key}: {value}}}\n")]
    assert codes == ["T146"]


def test_a_local_training_on_several_processes_is_told_to_tunec_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """And to nothing that is built: no stage's parameters know of it."""
    text = MINIMAL + "execution: {parallel: ddp, processes: 2}\n"
    assert meta(text) == {"type": "local", "parallel": "ddp", "processes": 2}
    assert meta(MINIMAL + "execution: ddp\n") == {"type": "local", "parallel": "ddp"}
    assert meta(MINIMAL + "execution: fsdp\n") == {"type": "local", "parallel": "fsdp"}
    assert compiled(text).params_yaml == compiled(MINIMAL).params_yaml
    monkeypatch.setenv("TUNEC_PARALLEL", "")
    monkeypatch.setattr(warm, "run", lambda stage: 7)
    assert executor(meta(text)).run(Job(Path(), "train")) == 7
    assert os.environ["TUNEC_PARALLEL"] == "ddp:2"


def test_every_key_is_read_by_some_type() -> None:
    assert {key for keys in READS.values() for key in keys} | {"type", "slots"} == set(Execution.model_fields)


@pytest.mark.parametrize(
    "section",
    [
        "{type: remote_ssh, host: gpu, port: 0}",
        "{type: remote_ssh, host: gpu, key: '-oProxyCommand=x'}",
        "{type: remote_ssh, host: gpu, folder: ../up}",
        "{type: remote_ssh, host: gpu, python: 'python3 -c x'}",
        "{type: slurm, time: 90}",
        "{type: slurm, time: '1:30:00'}",
        "{type: slurm, partition: '--wrap=x'}",
        "{type: slurm, account: 'a b'}",
        "{type: ray, address: 'http://x:1'}",
    ],
)
def test_what_no_command_should_see_is_refused(section: str) -> None:
    assert {found.code for found in refused(MINIMAL + f"execution: {section}\n")} <= {"T013", "T014", "T016", "T019"}


def test_no_part_of_a_stage_depends_on_where_it_runs() -> None:
    here, there = compiled(MINIMAL), compiled(MINIMAL + REMOTE)
    assert there.params_yaml == here.params_yaml
    stages, others = (yaml.safe_load(one.dvc_yaml)["stages"] for one in (here, there))
    assert stages == others


def test_times_are_told_in_minutes() -> None:
    assert [minutes(time) for time in ("90m", "8h", "2d")] == [90, 480, 2880]


def test_every_key_of_remote_ssh_reaches_a_command() -> None:
    plain = {"type": "remote_ssh", "host": "gpu"}
    for key, value in {"host": "me@gpu", "port": 2222, "key": "k", "folder": "runs", "python": "py"}.items():
        before, after = Host.of(plain), Host.of({**plain, key: value})
        made = [
            (one.agent(), one.send(Path("o"), f"{one.folder}/i"), one.fetch("o", Path("i"))) for one in (before, after)
        ]
        assert made[0] != made[1], key


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(ParseError) as found:
        compiled(MINIMAL + "execution: slrum\n")
    assert found.value.diagnostics[0].code == "T550"
    assert "slurm" in str(found.value.diagnostics[0].help)


def test_slots_that_are_written_stand_before_those_that_are_found() -> None:
    found = Slots(jobs=3, gpus=2, memory=8)
    assert shared(found, Execution()) == found
    assert shared(found, Execution(slots={"gpus": 0, "memory": 1.5})) == Slots(3, 0, 1_500_000_000)
    assert shared(found, Execution(type="slurm")) == Slots(3, 0, None), "this machine's are none of the cluster's"
    assert shared(found, Execution(type="slurm", slots={"gpus": 4})) == Slots(3, 4, None)
