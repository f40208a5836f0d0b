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
