"""No half release: not when it is killed, not when two run at once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.compiling import ROOT
from tests.releasing.small import PERSON, Small

ENVIRONMENT = {**os.environ, **PERSON, "PYTHONPATH": str(ROOT)}


def test_a_release_that_is_killed_anywhere_is_finished_or_undone_by_the_next_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.releasing.killed", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"(\d+) places; {'finished': (\d+), 'undid': (\d+), 'nothing': (\d+)}", done.stdout)
    assert found is not None
    places, finished, undone, _ = map(int, found.groups())
    assert places > 20 and finished >= 2 and undone >= 4


def test_of_two_releases_at_once_one_is_made_and_the_other_says_so(small: Small) -> None:
    command = [sys.executable, "-m", "tunec", "release"]
    started = [
        subprocess.Popen(
            command, cwd=small.root, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    ended = [(*process.communicate(), process.returncode) for process in started]
    codes = sorted(code for _, _, code in ended)
    assert codes == [0, 1], ended
    refused = next(err for _, err, code in ended if code == 1)
    assert re.search(r"error\[T(451|458)\]", refused), refused  # it came while the other ran, or right after
    assert small.names() == ["tiny-slots-v1"]
    assert len(small.lines()) == 1
    assert small.git("status", "--porcelain") == ""
