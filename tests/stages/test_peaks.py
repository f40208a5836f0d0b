"""How much memory a piece of work takes at most."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stages import peaks

ROOT = Path(__file__).parents[2]
WORK = """\
from stages import peaks

before = bytearray(900_000_000)
del before
peak = peaks.watched()
held = bytearray(300_000_000)
del held
print(peak())
"""


def tells() -> bool:
    """Whether this system counts a peak anew; a sandbox may forbid it."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


@pytest.mark.skipif(not tells(), reason="this system tells no peak")
def test_the_peak_is_that_of_the_work_and_of_nothing_before_it() -> None:
    # In an interpreter of its own: what a worker has freed, and its allocator kept, would be used again.
    told = subprocess.run([sys.executable, "-c", WORK], cwd=ROOT, capture_output=True, text=True, check=True)
    assert 150_000_000 < int(told.stdout) < 600_000_000, "wide, for a system may take idle pages away meanwhile"


def test_where_the_system_does_not_tell_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(peaks, "_PROC", tmp_path / "gone")
    assert peaks.watched()() is None
