"""`tunec build data`, killed (SIGKILL) on its way: no half artifact, no process left, and the next build is right."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from stages import audit
from tests.rebuilds.conftest import Workspace, rows

pytestmark = pytest.mark.slow
MANY = 6_000
SPOOL = "build/.tmp/data/accepted.spool"


def outputs(workspace: Workspace) -> Mapping[str, bytes]:
    """Empty while DVC runs the stage: it takes the old ones away first."""
    return {path.name: path.read_bytes() for path in sorted((workspace.root / "build/data").glob("*"))}


def killed(workspace: Workspace, least: int) -> None:
    """Build, and kill the build once the stage has read so many bytes; its stage must end by itself."""
    began = subprocess.Popen(
        ["tunec", "build", "data"],
        cwd=workspace.root,
        env=workspace._environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    spool, until = workspace.root / SPOOL, time.monotonic() + 120
    while not (spool.is_file() and spool.stat().st_size >= least):
        assert began.poll() is None and time.monotonic() < until, "it ended before it could be killed"
        time.sleep(0.002)
    family = psutil.Process(began.pid).children(recursive=True)
    began.kill()
    began.wait()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive, "a process of the build outlives it"


def test_a_build_killed_in_the_middle_of_data_leaves_no_half_artifact_and_the_next_one_is_right(
    workspace: Workspace, tmp_path: Path
) -> None:
    before = outputs(workspace)
    with (workspace.root / "data/raw/rows.jsonl").open("a", encoding="utf-8") as out:
        out.writelines(json.dumps({**row, "text": f"{row['text']} {n}"}) + "\n" for n, row in enumerate(rows(MANY)))
    for least in (1, 500_000):
        killed(workspace, least)
        assert outputs(workspace) in ({}, before)
    workspace.run("tunec", "build", "data")
    fresh = workspace.anew(tmp_path)
    fresh.run("tunec", "build", "data")
    assert outputs(workspace) == outputs(fresh) != before
    assert not (workspace.root / "build/.tmp/data").exists()
    log = workspace.root / audit.LOG
    told = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert not list(audit.broken(log)) and told[-1]["counts"]["read"] == MANY + 40
