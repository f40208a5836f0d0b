"""DVC takes a cache object whose bytes were changed for what it was, as long as size and times stay.

`tunec verify` does not, `tunec release` refuses, and `tunec verify --mend` makes the next build bring it back.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stages.rows import sha256
from tests.builds.conftest import Workspace, built, workspace  # noqa: F401 - fixtures
from tests.releasing.conftest import made, small  # noqa: F401 - fixtures
from tests.releasing.small import Small, flip, status
from tunec import dvc, dvc_lock, dvc_store
from tunec.releasing import build


def outputs(root: Path) -> dict[str, Path]:
    """Every output of a build -> its object in the cache."""
    cache = dvc_store.cache(root)
    entries = build.entries(root, dvc_lock.of_the_graph(root), cache)
    found = {entry.path: build.cache_object(cache, str(entry.md5)) for entry in entries if entry.written}
    return {path: copy for path, copy in found.items() if copy.stat().st_size}  # an empty file has no byte to flip


def test_one_flipped_byte_in_any_object_of_the_cache_is_named(small: Small) -> None:  # noqa: F811
    held = outputs(small.root)
    assert len(held) > 40
    assert "all as written" in small.tunec("verify").out
    for path, copy in held.items():
        at, _ = flip(copy, 11)
        done = small.tunec("verify", code=1)
        assert re.search(rf"error\[T460\]: (the cache's copy of )?{re.escape(path)} is not what was written", done.out)
        flip(copy, at)
    assert "all as written" in small.tunec("verify").out


def test_the_byte_is_named_where_the_workspace_holds_a_copy_of_its_own(small: Small) -> None:  # noqa: F811
    path = small.root / "build/report/report.html"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    at, was = flip(outputs(small.root)["build/report/report.html"], 77)
    said = small.tunec("verify", code=1).out
    place = f"byte {at} is 0x{was ^ 0x20:02x}, was 0x{was:02x}"
    assert f"error[T460]: the cache's copy of build/report/report.html is not what was written: {place}" in said


def test_dvc_says_nothing_and_a_release_refuses(small: Small) -> None:  # noqa: F811
    status(small.root)  # DVC remembers what it hashed by times and size
    flip(outputs(small.root)["build/package/model.gguf"], 4_321)
    assert status(small.root).keys() <= {dvc.GUARD_STAGE}
    done = small.tunec("release", code=1)
    assert done.err.startswith("error[T445]: build/package/model.gguf is not what the build wrote")
    assert small.names() == []


@pytest.mark.slow
@pytest.mark.thorough
def test_a_damaged_build_is_mended_by_the_next_one(workspace: Workspace) -> None:  # noqa: F811
    """One byte flipped in each object of the real build: all are named, removed, and made anew with the same bytes."""
    held = outputs(workspace.root)
    before = {path: sha256(workspace.root / path) for path in held}
    for copy in {copy.resolve() for copy in held.values()}:
        flip(copy, 11)
    said = workspace.tunec("verify", code=1).stdout
    for path in held:
        assert re.search(rf"error\[T460\]: (the cache's copy of )?{re.escape(path)} is not", said), path
    mended = workspace.tunec("verify", "--mend", code=None).stdout
    assert re.search("^removed ", mended, re.MULTILINE)
    workspace.tunec("build", code=2)
    assert "all as written" in workspace.tunec("verify").stdout
    measured = ("speed.json", "report.html", "report.json")
    after = {path: sha256(workspace.root / path) for path in outputs(workspace.root)}
    assert {p: h for p, h in after.items() if not p.endswith(measured)} == {
        p: h for p, h in before.items() if not p.endswith(measured)
    }
