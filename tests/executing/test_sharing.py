"""`tunec build --pull --push`: what was built in one place is not built again in another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.builds.conftest import Workspace
from tests.executing.places import make
from tunec.compiling import compile_here

FIRST = ("data", "splits", "model-tiny")


def workspace(root: Path, remote: Path | None) -> Workspace:
    make(root)
    shutil.rmtree(root / "build")
    compile_here(root, [])
    found = Workspace(root)
    found.dvc("init", "--quiet", "--no-scm")
    if remote:
        found.dvc("remote", "add", "--quiet", "--default", "shared", str(remote))
    return found


@pytest.mark.slow
def test_what_one_workspace_pushes_another_restores(tmp_path: Path) -> None:
    one, two = (workspace(tmp_path / name, tmp_path / "remote") for name in ("one", "two"))
    assert "▸ data" in one.tunec("build", "--push", *FIRST).stdout
    said = two.tunec("build", "--pull", *FIRST).stdout
    assert "▸" not in said
    assert all(f"↺ {stage} " in said for stage in FIRST)
    for stage in FIRST:
        for file in (one.root / "build" / stage).rglob("*"):
            if file.is_file() and file.name != ".gitignore":
                assert (two.root / file.relative_to(one.root)).read_bytes() == file.read_bytes()


@pytest.mark.slow
def test_without_a_remote_there_is_nothing_to_share_through(tmp_path: Path) -> None:
    found = workspace(tmp_path / "w", None)
    for option in ("--pull", "--push"):
        assert "error[T547]" in found.tunec("build", option, code=1).stderr
    assert not (found.root / "build" / "data").exists()


@pytest.mark.slow
def test_a_remote_that_cannot_be_written_is_said_and_what_is_built_stays(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    found = workspace(tmp_path / "w", tmp_path / "file" / "remote")
    assert "error[T547]" in found.tunec("build", "--push", "data", code=1).stderr
    assert (found.root / "build" / "data" / "accepted.jsonl").is_file()
