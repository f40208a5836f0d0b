"""`tunec verify RELEASE --rebuild`: the release's commit built again, from nothing, and its package held against it.

The build runs in a folder of its own with a cache of its own, so nothing is restored that was built before. It uses the
code and the libraries that are installed now; where they are not those of the release, that is said.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compiler.plan import BUILD
from stages.diagnostics import fail
from tunec import dvc, dvc_store, git
from tunec.guard import recorded_overrides
from tunec.releasing import build, digests, proposing, verifying
from tunec.releasing.shelf import Release
from tunec.releasing.verifying import Checked, Held


def rebuild(repo: git.Repository, root: Path, release: Release) -> Checked:
    """The commit that was released is built, not the tag's: that one has the lines which the next build is held to.

    Raises T454 when rows or weights that it was built from are not here, T464 when the build fails.
    """
    whole = proposing.manifest_of(repo, release)
    with tempfile.TemporaryDirectory(prefix="tunec-rebuild-") as folder:
        place = _checkout(repo, str(whole["commit"]), Path(folder))
        _bring_sources(root, place, whole, release)
        _build(place)
        checked = verifying.files(_package(place, whole, release))
        other = _other_code(whole["code"], build.code(place))
    notes = (f"built with other code or libraries: {', '.join(other[:5])}",) if other else ()
    help = "another machine kind, library or thread count gives other bytes; compare the figures: `tunec release diff`"
    checked.found = [found._replace(notes=notes, help=help) for found in checked.found]
    return checked


def _checkout(repo: git.Repository, commit: str, folder: Path) -> Path:
    """The commit's files, without its history, as a workspace whose cache is empty."""
    command = ["git", "archive", "--format=tar", commit]
    done = subprocess.run(command, cwd=repo.top, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    git.run(folder, "init", "--quiet")
    place = folder / repo.prefix
    settings = next(p / ".dvc" for p in (place, *place.parents) if (p / ".dvc").is_dir())
    (settings / "config.local").write_text(f"[cache]\n    dir = {settings / 'cache'}\n", encoding="utf-8")
    return place


def _bring_sources(root: Path, place: Path, whole: Mapping[str, Any], release: Release) -> None:
    """What the build read and git does not hold, such as weights: out of DVC's cache or the workspace, by its hash."""
    cache = dvc_store.cache(root)
    for path, entry in whole["build"].items():
        if path.startswith(f"{BUILD}/") or (place / path).is_file():
            continue
        near = (build.cache_object(cache, entry["md5"]), root / path)
        found = next((p for p in near if p.is_file() and digests.facts(p, md5=False).sha256 == entry["sha256"]), None)
        if found is None:
            help = "bring the file as it was then, at the same path in this workspace"
            raise fail("T454", f"{release.name} was built from {path}, which is not here any more", help=help)
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found, place / path)


def _build(place: Path) -> None:
    command = [sys.executable, "-m", "tunec", "build", *recorded_overrides(place)]
    done = subprocess.run(command, cwd=place, env=dvc.environment(), capture_output=True, text=True, check=False)
    if done.returncode not in (0, 2):  # 2: a gate failed, as it may in a release that was forced
        notes = tuple((done.stdout + done.stderr).strip().splitlines()[-5:])
        help = "check out the tag (`git worktree add ../old NAME`) and run `tunec build` there to see more"
        raise fail("T464", "the release cannot be built again", notes=notes, help=help)


def _package(place: Path, whole: Mapping[str, Any], release: Release) -> list[Held]:
    home = f"{build.PACKAGE}/"
    return [
        Held(
            place / path,
            f"{path.removeprefix(home)} of {release.name}, built again,",
            entry["sha256"],
            None,
            entry["bytes"],
            entry["pieces"],
        )
        for path, entry in sorted(whole["build"].items())
        if path.startswith(home)
    ]


def _other_code(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    old, new = ({k: v for part in code.values() for k, v in part.items()} for code in (then, now))
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
