"""A real build released, verified, compared and built again, with the real DVC and the real git."""

from __future__ import annotations

import json
import re

import pytest

from stages.rows import sha256
from tests.builds.conftest import Workspace
from tests.releasing.small import PERSON, flip

pytestmark = pytest.mark.slow


@pytest.fixture
def shipped(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The tiny build in git, with gates that random weights pass."""
    for key, value in PERSON.items():
        monkeypatch.setenv(key, value)
    config = workspace.root / ".dvc" / "config"
    config.write_text(re.sub(r"^.*no_scm.*\n", "", config.read_text(encoding="utf-8"), flags=re.MULTILINE))
    (workspace.root / ".gitignore").write_text("/build/\n", encoding="utf-8")
    criteria = "threshold: 0.0\n  gates: {beats_baselines: false, schema_validity: false, parse_rate: false}"
    workspace.edit("threshold: 0.5", criteria)
    git(workspace, "init", "--quiet", "--initial-branch=main")
    workspace.tunec("build")
    commit(workspace)
    return workspace


def git(workspace: Workspace, *arguments: str) -> str:
    return workspace._run(["git", *arguments], 0).stdout.strip()


def commit(workspace: Workspace) -> None:
    git(workspace, "add", "-A")
    git(workspace, "commit", "--quiet", "-m", "a build")


@pytest.mark.thorough
def test_a_real_build_is_released_and_its_successor_compared(shipped: Workspace) -> None:
    said = shipped.tunec("release", "--dry-run").stdout
    assert shipped.tunec("release").stdout == said
    assert git(shipped, "tag", "--list") == "tiny-slots-v1"
    assert "all as written" in shipped.tunec("verify", "v1").stdout
    model = sha256(shipped.root / "build/package/model.gguf")

    shipped.edit("learning_rate: 1e-3", "learning_rate: 5e-3")
    shipped.tunec("build")
    commit(shipped)
    assert shipped.tunec("release").stdout.startswith("tiny-slots-v1.1  version 1.1, after tiny-slots-v1\n")
    assert sha256(shipped.root / "build/package/model.gguf") != model

    found = json.loads(shipped.tunec("release", "diff", "v1", "v1.1", "--json").stdout)
    assert [change for change in found["config"] if change["key"] == "training.learning_rate"]
    assert found["compared"] > 0 and found["lead"]["low"] <= found["lead"]["value"] <= found["lead"]["high"]
    git(shipped, "clean", "-xfdq", "releases")
    shipped.tunec("release", "get", "v1")
    assert sha256(shipped.root / "releases/tiny-slots-v1/model.gguf") == model
    shipped.tunec("verify")  # the build that stands here is the newer one, whole


@pytest.mark.thorough
def test_a_release_is_built_again_to_the_same_bytes(shipped: Workspace) -> None:
    shipped.tunec("release")
    assert "all as written" in shipped.tunec("verify", "v1", "--rebuild").stdout


@pytest.mark.thorough
def test_a_byte_of_the_shipped_model_is_named(shipped: Workspace) -> None:
    shipped.tunec("release")
    at, was = flip(shipped.root / "releases/tiny-slots-v1/model.gguf", 54_321)
    said = shipped.tunec("verify", "v1", code=1).stdout
    assert f"byte {at} is 0x{was ^ 0x20:02x}, was 0x{was:02x}" in said
