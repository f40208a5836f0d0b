"""How much memory a piece of work takes at most."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stages import peaks


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it")
def test_the_peak_is_that_of_the_work_and_of_nothing_before_it() -> None:
    before = bytearray(200_000_000)
    del before
    peak = peaks.watched()
    held = bytearray(60_000_000)
    del held
    found = peak() or 0
    assert 50_000_000 < found < 150_000_000


def test_where_the_system_does_not_tell_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(peaks, "_PROC", tmp_path / "gone")
    assert peaks.watched()() is None
