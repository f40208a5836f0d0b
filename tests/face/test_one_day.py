"""docs/one-day.md: its commands run as they stand, up to the build, which tests/builds runs on templates."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent.parent / "docs" / "one-day.md"
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def test_the_commands_of_the_day_run_as_they_stand(tmp_path: Path) -> None:
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert blocks[-1] == "tunec build\n"
    script = "set -e\n" + "".join(blocks[:-1])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "task.yaml: no errors" in done.stdout and "no language model at all" in done.stdout
    assert "train-smollm2-135m" in done.stdout


@pytest.mark.parametrize("page", ["coach.md", "advise.md", "one-day.md"])
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    root = PAGE.parent.parent
    for name in re.findall(
        r"(?:docs|benchmarks|tunec)/[\w./-]+\.(?:md|py|yaml)", (PAGE.parent / page).read_text("utf-8")
    ):
        assert (root / name).is_file(), name
