"""The bytes of an old release: out of its folder, DVC's cache or DVC's remote, and only if they are the right ones."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.diagnostics import fail
from tunec import dvc_store, git
from tunec.releasing import build, digests, journal, making, manifest, proposing, registry
from tunec.releasing.recording import folder_files, signed
from tunec.releasing.shelf import Release
from tunec.releasing.targets import FOLDER


def get(repo: git.Repository, root: Path, release: Release, out: Path | None = None) -> tuple[Path, bool]:
    """Bring a release's folder; returns where it is, and whether it was there already, whole.

    Raises T454 when its bytes are nowhere, T455 when something else is in the way.
    """
    folder = out or root / FOLDER / release.name
    whole = proposing.manifest_of(repo, release)
    if _is_whole(folder, whole):
        return folder, True
    if folder.exists():
        help = f"`tunec verify {release.name}` says how it differs; remove it, or name another folder with --out"
        raise fail("T455", f"{folder} is there already, and is not {release.name}", help=help)
    with _sources(repo, root, release, whole) as sources:
        making.place(folder, sources)
    return folder, False


def file(repo: git.Repository, root: Path, cache: Path, release: Release, path: str) -> Path | None:
    """A file of the build that a release came from, such as its predictions; None when the cache does not hold it."""
    entry = proposing.manifest_of(repo, release)["build"].get(path)
    held = build.cache_object(cache, str(entry["md5"])) if entry else None
    if held is None or not held.is_file() or digests.facts(held, md5=False).sha256 != entry["sha256"]:
        return None
    return held


def _is_whole(folder: Path, whole: dict[str, Any]) -> bool:
    files = {name: str(entry["sha256"]) for name, entry in whole["files"].items()}
    if not all((folder / name).is_file() for name in (*files, manifest.NAME)):
        return False
    found = digests.facts_of([folder / name for name in files], md5=False)
    same = all(facts.sha256 == sha256 for facts, sha256 in zip(found, files.values(), strict=True))
    return same and (folder / manifest.NAME).read_bytes() == manifest.sealed(whole)


@contextmanager
def _sources(
    repo: git.Repository, root: Path, release: Release, whole: dict[str, Any]
) -> Iterator[dict[str, tuple[Path | bytes, str]]]:
    """Where each file of the folder can be copied from."""
    cache, commit = dvc_store.cache(root), _commit(repo, release)
    sealed = git.read(repo, commit, registry.manifest_path(release.name)) or b""
    with tempfile.TemporaryDirectory(prefix=journal.BROUGHT, dir=repo.folder) as brought:
        files = folder_files(root / FOLDER / release.name, whole, sealed)
        files |= signed(git.read(repo, commit, registry.signature_path(release.name)))
        for name, entry in whole["files"].items():
            if name in manifest.papers(whole):
                continue
            files[name] = (_source(root, release, whole, cache, name, Path(brought)), str(entry["sha256"]))
        yield files


def _source(root: Path, release: Release, whole: dict[str, Any], cache: Path, name: str, brought: Path) -> Path:
    """A place that holds the right bytes: near ones first. What comes from the remote is hashed when it is copied."""
    path = f"{build.PACKAGE}/{name}"
    held = build.cache_object(cache, str(whole["build"][path]["md5"]))
    for place in (held, root / FOLDER / release.name / name, root / path):
        if place.is_file() and digests.facts(place, md5=False).sha256 == whole["files"][name]["sha256"]:
            return place
    out = brought / name.replace("/", "_")
    if dvc_store.remote(root) and dvc_store.bring(root, str(whole["build"][path]["md5"]), out):
        return out
    why = "its files were pruned" if release.pruned else "neither the cache nor a remote holds it"
    help = f"`dvc pull` where it was pushed, or build it again from the tag: `git worktree add ../old {release.name}`"
    raise fail("T454", f"{release.name} cannot be brought: {why} ({name})", help=help)


def _commit(repo: git.Repository, release: Release) -> str:
    tag = git.tag(repo, release.name)
    if tag is None:
        raise fail("T462", f"the tag {release.name} is gone", help="`git fetch --tags` brings it, if it was pushed")
    return tag.commit
