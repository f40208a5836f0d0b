"""What retention lets go: the files of old releases, never a tag, a commit or a line of the registry."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stages.counting import counted
from tunec import dvc_lock, dvc_store, git
from tunec.dates import today
from tunec.releasing import build, registry, shelf
from tunec.releasing.making import Edit, make
from tunec.releasing.proposing import standing
from tunec.releasing.shelf import ARCHIVED, Release, Shelf
from tunec.releasing.targets import FOLDER


@dataclass(frozen=True)
class Prune:
    """What goes and why. objects: MD5 -> bytes that DVC's cache holds of it; what nothing else needs."""

    going: tuple[Release, ...]
    kept: dict[str, str]
    objects: dict[str, int]
    cache: Path
    shared: bool

    @property
    def bytes(self) -> int:
        return sum(self.objects.values())


def plan(repo: git.Repository, root: Path, retention: int) -> Prune:
    """Files of a release go when it is neither among the newest nor deployed; an object of the cache goes only when no
    release that stays, no branch, no other tag and not the workspace itself names it.
    """
    on_shelf = shelf.read(repo, git.head(repo))
    kept = shelf.kept(on_shelf.releases, retention)
    going = tuple(r for r in on_shelf.releases if r.name not in kept and (not r.pruned or _has_folder(root, r)))
    cache = dvc_store.cache(root)
    gone = tuple(r for r in on_shelf.releases if r.name not in kept)
    tagged = git.tagged(repo)
    objects = _objects(repo, cache, [tagged[release.name] for release in gone if release.name in tagged])
    others = [commit for name, commit in tagged.items() if name not in {release.name for release in gone}]
    objects -= _of_lock(dvc_lock.stages(root), cache) | _objects(repo, cache, sorted({*others, *git.tips(repo)}))
    sizes = {md5: _size(build.cache_object(cache, md5)) for md5 in sorted(objects)}
    return Prune(going, kept, sizes, cache, not cache.is_relative_to(root.resolve()))


def words(found: Prune, retention: int) -> Iterator[str]:
    for name, why in found.kept.items():
        yield f"keeps    {name}: {why}"
    for release in found.going:
        yield f"removes  {release.name}: not among the newest {retention}, and {release.stage}"
    if found.shared:
        yield f"leaves   {found.cache}: other workspaces may use that cache"
    elif found.bytes:
        objects = counted(sum(map(bool, found.objects.values())), "object")
        yield f"removes  {objects} of the cache, {found.bytes / 1e6:.1f} MB"
    if not found.going and (found.shared or not found.bytes):
        yield "nothing to remove"


def prune(repo: git.Repository, root: Path, found: Prune) -> int:
    """The registry first, then the bytes; returns how many objects the remote had. Killed in between, the next run
    removes the rest.
    """
    branch, parent = standing(repo)
    on_shelf = shelf.read(repo, parent)
    new = [release for release in found.going if not release.pruned]
    if new:
        make(repo, root, branch, parent, _edit(on_shelf, new))
    for release in found.going:
        shutil.rmtree(root / FOLDER / release.name, ignore_errors=True)
    if found.shared:
        return 0
    removed = dvc_store.forget(root, list(found.objects)) if found.objects and dvc_store.remote(root) else 0
    for md5 in found.objects:
        build.cache_object(found.cache, md5).unlink(missing_ok=True)
    return removed


def _edit(on_shelf: Shelf, going: list[Release]) -> Edit:
    text = on_shelf.texts
    for release in going:
        line = shelf.marked(Shelf(on_shelf.releases, text), release.name, ARCHIVED, today(), pruned=True)
        text = {**text, registry.MARKS: line}
    names = ", ".join(release.name for release in going)
    return Edit(f"prune {names}", f"Prune {names}\n", {registry.MARKS: text[registry.MARKS] or b""})


def _has_folder(root: Path, release: Release) -> bool:
    return (root / FOLDER / release.name).is_dir()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def objects_of(repo: git.Repository, cache: Path, release: Release) -> list[str]:
    """The MD5 of everything that a release's build wrote, lists of folders included."""
    commit = git.tagged(repo).get(release.name)
    return sorted(_objects(repo, cache, [commit] if commit else []))


def _objects(repo: git.Repository, cache: Path, commits: list[str]) -> set[str]:
    found: set[str] = set()
    for commit in commits:
        found |= _of_lock(build.locked(git.read(repo, commit, "dvc.lock")), cache)
    return found


def _of_lock(lock: dict[str, dict[str, list[dict[str, str]]]], cache: Path) -> set[str]:
    named = {str(given.get("md5", "")) for stage in lock.values() for given in stage.get("outs", ())} - {""}
    inner = [build.folder_list(cache, md5) or {} for md5 in named if md5.endswith(".dir")]
    return named | {md5 for listed in inner for md5 in listed.values()}
