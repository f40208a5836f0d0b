"""How the runner tells a full disk from a bug of ours."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from stages import runner


def outcome(error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    def stage(name: str) -> None:
        raise error

    monkeypatch.setattr(runner, "run", stage)
    monkeypatch.setattr(runner, "_die_with_parents", lambda: None)
    return runner.main("train"), capsys.readouterr().err


def rust_error(text: str) -> Exception:
    from safetensors import SafetensorError

    return SafetensorError(text)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        rust_error("Error while serializing: I/O error: No space left on device (os error 28)"),
        Exception("Disk quota exceeded (os error 122)"),
    ],
)
def test_a_full_disk_is_no_bug_whichever_library_meets_it(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = outcome(error, monkeypatch, capsys)
    assert code == runner.USER_ERROR and "T380" in said
    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize(
    "error", [OSError(errno.EACCES, "denied"), rust_error("denied (os error 13)"), ValueError("os error 28 and so on")]
)
def test_any_other_error_is_a_bug(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = outcome(error, monkeypatch, capsys)
    assert code == runner.BUG and "T999" in said
