"""How much memory a piece of work takes at most."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stages import peaks


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it")
def test_the_peak_is_that_of_the_work_and_of_nothing_before_it() -> None:
    before = bytearray(900_000_000)
    del before
    peak = peaks.watched()
    held = bytearray(300_000_000)
    del held
    found = peak() or 0
    assert 150_000_000 < found < 600_000_000, "wide, for a system may take idle pages away meanwhile"


def test_where_the_system_does_not_tell_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(peaks, "_PROC", tmp_path / "gone")
    assert peaks.watched()() is None
