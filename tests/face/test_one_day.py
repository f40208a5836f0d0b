"""docs/one-day.md: every command of it runs, two builds and a round of repair among them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import tiny_model

PAGE = Path(__file__).parent.parent.parent / "docs" / "one-day.md"
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


@pytest.mark.slow
def test_the_commands_of_the_day_run_as_they_stand(tmp_path: Path, zygote: Path) -> None:
    """With a tiny model in the place of the one that a person trains."""
    script = "set -e\n" + "".join(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    tiny_model(tmp_path / "models" / "tiny")
    script = script.replace("smollm2-135m", r"models\/tiny").replace("cd desk\n", "cd desk\ncp -r ../models .\n")
    path = os.pathsep.join([str(zygote / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout
    assert done.returncode == 0, said + done.stderr
    assert "task.yaml: no errors" in said and "no language model at all" in said and "train-tiny" in said
    assert "no cause is claimed" in said or "to mend it:" in said
    assert "8 rows in data/repair/round-1.jsonl" in said
    effect = said[said.rindex("round 1: ") :]
    assert "8 rows brought, 8 past the gates, 8 trained on" in effect
    assert re.search(r"dev: \d+ right before, \d+ now, of 36", effect) and re.search(
        r"cluster 1: \d+ of \d+ fixed", effect
    )
    assert re.search(r"broken: \d+ rows", effect) and re.search(r"golden: \d fixed, \d broken, \d wrong", effect)


@pytest.mark.parametrize("page", ["coach.md", "advise.md", "one-day.md"])
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    root = PAGE.parent.parent
    for name in re.findall(
        r"(?:docs|benchmarks|tunec)/[\w./-]+\.(?:md|py|yaml)", (PAGE.parent / page).read_text("utf-8")
    ):
        assert (root / name).is_file(), name
