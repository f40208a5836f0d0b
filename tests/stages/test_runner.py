"""How the runner tells a full disk from a bug of ours."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from stages import runner


def outcome(error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    def stage(name: str, do: object) -> None:
        raise error

    monkeypatch.setattr(runner, "run", stage)
    monkeypatch.setattr(runner, "die_with_parents", lambda: None)
    return runner.main("train"), capsys.readouterr().err


def rust_error(text: str) -> Exception:
    from safetensors import SafetensorError

    return SafetensorError(text)


FULL = (runner.USER_ERROR, "T380")
BUG = (runner.BUG, "T999")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), FULL),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), FULL),
        (rust_error("Error while serializing: I/O error: No space left on device (os error 28)"), FULL),
        (Exception("Disk quota exceeded (os error 122)"), FULL),
        (OSError(errno.EACCES, "denied"), BUG),
        (rust_error("denied (os error 13)"), BUG),
        (ValueError("os error 28 and so on"), BUG),
    ],
)
def test_a_full_disk_is_no_bug_whichever_library_meets_it(
    error: Exception,
    expected: tuple[int, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = outcome(error, monkeypatch, capsys)
    assert code == expected[0]
    assert expected[1] in said
    assert (tmp_path / "build").exists() == (expected is BUG)  # a bug leaves its traceback, a full disk nothing


# ---------------------------------------------------------------- what is asked of memory, and of checkpoints


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried to"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
)
def test_a_full_memory_is_told_with_the_checkpoint_that_is_kept(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = tmp_path / "build" / ".checkpoints" / "train" / "key" / "step-000007" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    code, said = outcome(error, monkeypatch, capsys)
    assert code == runner.USER_ERROR and "T381" in said and "step-000007" in said


def test_the_key_of_checkpoints_stands_for_all_that_a_stage_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "a.jsonl").write_text("1")
    (tmp_path / "code.txt").write_text("code")
    (tmp_path / "dvc.yaml").write_text("stages: {train: {deps: [rows, code.txt]}}")

    def key(params: object = 1) -> str:
        return runner._key("train", [{"stage": "train"}, {"epochs": params}])

    first = key()
    assert first == key() != key(2)
    (tmp_path / "rows" / "a.jsonl").write_text("2")
    second = key()
    (tmp_path / "code.txt").write_text("other")
    assert len({first, second, key()}) == 3


def test_a_stage_that_the_system_killed_is_told_as_such(tmp_path: Path) -> None:
    from tunec import building

    log = tmp_path / building.LOG
    log.parent.mkdir(parents=True)
    log.write_text("ERROR: failed to reproduce 'train': failed to run: tunec run train, exited with 137\n")
    (found,) = building._failed(tmp_path).diagnostics
    assert found.code == "T661" and found.help and "137" in found.notes[0]


# ---------------------------------------------------------------- how far a stage is


def test_what_a_stage_begins_with_and_the_end_of_a_count_are_always_told(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[int, int | None, str]] = []
    monkeypatch.setattr(runner.time, "monotonic", lambda: 100.0)
    tell = runner._throttled(lambda *told: heard.append(told))
    tell(0, None, "loading the base model")
    for step in range(1, 4):
        tell(step, 3, f"loss {step}")
    assert heard == [(0, None, "loading the base model"), (3, 3, "loss 3")]
