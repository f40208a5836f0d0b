"""`tunec verify`: every byte of a release, its tag and its lines of the registry against what was written once.

What is compared with what:

    the tag         with the registry: its commit's parent, what that commit changed, the line that it ends with
    the registry    with itself (each line holds the hash of the one before) and with what the tag's commit held
    release.json    with registry/manifests/NAME.json in the tag's commit, or with its own hash where there is no git
    a file          with its sha256; where it differs, the first byte that does is named
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from stages.base import Diagnostic, fail
from stages.rows import read_json
from tunec import dvc, git
from tunec.releasing import build, digests, manifest, registry
from tunec.releasing.proposing import CHANGELOG
from tunec.releasing.shelf import Release
from tunec.releasing.targets import FOLDER

_AGAIN = "`tunec release get NAME` brings the files of a release; `tunec build` makes those of a build"


@dataclass(frozen=True)
class Held:
    """A file and what it has to be. pieces: see digests; None where only the hash is known."""

    path: Path
    shown: str
    sha256: str | None = None
    md5: str | None = None
    bytes: int | None = None
    pieces: Mapping[str, Any] | None = None


@dataclass
class Checked:
    """What was looked at, and what was found wrong."""

    found: list[Diagnostic]
    files: int = 0
    bytes: int = 0

    def add(self, other: Checked) -> None:
        self.found += other.found
        self.files, self.bytes = self.files + other.files, self.bytes + other.bytes


def folder(path: Path) -> Checked:
    """A folder of a release, or of a package, wherever it lies; git and DVC are not asked.

    Raises T465 when it is neither.
    """
    if (path / manifest.NAME).is_file():
        whole = manifest.opened((path / manifest.NAME).read_bytes(), (path / manifest.NAME).as_posix())
        return files(_of_folder(path, whole))
    if not (path / manifest.PACKED).is_file():
        help = f"name a release, or a folder that holds {manifest.NAME} or a package's {manifest.PACKED}"
        raise fail("T465", f"{path.as_posix()!a} holds nothing that can be verified", help=help)
    packed = read_json(path / manifest.PACKED)["files"]
    return files([Held(path / name, (path / name).as_posix(), sha256) for name, sha256 in sorted(packed.items())])


def release(repo: git.Repository, root: Path, chosen: Release, texts: Mapping[str, bytes | None]) -> Checked:
    """A release of this workspace: its tag, its lines, its folder, and what DVC's cache still holds of its build."""
    tag = git.tag(repo, chosen.name)
    if tag is None:
        help = "`git fetch --tags` brings it if it was pushed; a lightweight tag of that name is not it"
        return Checked([Diagnostic("T462", f"the annotated tag {chosen.name} is gone", help=help)])
    found = [*_tag(repo, chosen, tag, texts), *_later(repo, chosen, tag, texts)]
    path = registry.manifest_path(chosen.name)
    text = git.read(repo, tag.commit, path)
    if text is None or hashlib.sha256(text).hexdigest() != chosen.line.get("manifest"):
        return Checked([*found, _moved(chosen, f"its commit does not hold the {path} that the registry names")])
    whole = manifest.opened(text, path)
    on_disk = [*_texts(repo, root, tag, chosen, text, texts)]
    checked = files([*_of_folder(root / FOLDER / chosen.name, whole, chosen), *_of_cache(root, whole, chosen)])
    return Checked([*found, *on_disk, *checked.found], checked.files, checked.bytes)


def workspace(root: Path) -> Checked:
    """The build that stands here: every output on disk and in DVC's cache, against dvc.lock."""
    cache = dvc.cache(root)
    found: list[Held] = []
    for entry in build.entries(root, dvc.lock(root), cache):
        if entry.md5 is not None and entry.written:
            copy = build.cache_object(cache, entry.md5)
            found.append(Held(root / entry.path, entry.path, md5=entry.md5))
            if copy.is_file() and not _one(copy, root / entry.path):
                found.append(Held(copy, f"the cache's copy of {entry.path}", md5=entry.md5))
    if not found:
        raise fail("T465", "nothing was built here that could be verified", help="run `tunec build`, or name a release")
    return files(found)


def _one(a: Path, b: Path) -> bool:
    """Whether two names are one file, as links of DVC are."""
    return b.exists() and a.samefile(b)


def mend(root: Path) -> list[str]:
    """Remove what is damaged, on disk and in DVC's cache, so that the next build brings or makes it anew."""
    cache = dvc.cache(root)
    removed = []
    for entry in build.entries(root, dvc.lock(root), cache):
        if entry.md5 is None or not entry.written:
            continue
        for path in (root / entry.path, build.cache_object(cache, entry.md5)):
            if path.is_file() and digests.facts(path).md5 != entry.md5:
                path.unlink()
                removed.append(entry.path)
    return sorted(set(removed))


# ---------------------------------------------------------------- files


def files(held: Sequence[Held]) -> Checked:
    """Hash them, two at a time; each that differs is named with the first byte that does."""
    checked = Checked([_missing(one) for one in held if not _there(one)])
    for md5 in (False, True):
        some = [one for one in held if _there(one) and (one.md5 is not None) is md5]
        for one, facts in zip(some, digests.facts_of([one.path for one in some], md5=md5), strict=True):
            checked.files, checked.bytes = checked.files + 1, checked.bytes + facts.bytes
            if (one.sha256 or facts.sha256, one.md5 or facts.md5) != (facts.sha256, facts.md5):
                checked.found.append(_differs(one, held))
    return checked


def _there(one: Held) -> bool:
    return one.path.is_file() and not one.path.is_symlink()


def _differs(one: Held, held: Sequence[Held]) -> Diagnostic:
    """By its own pieces if they are known, otherwise by a whole copy of it that is at hand."""
    place = None
    if one.pieces is not None and one.bytes is not None:
        place = digests.first_difference(one.path, one.bytes, dict(one.pieces))
    else:
        twins = (other for other in held if other is not one and other.md5 == one.md5 and other.path.is_file())
        whole = next((twin for twin in twins if one.md5 and digests.facts(twin.path).md5 == one.md5), None)
        place = digests.first_difference_from(one.path, whole.path) if whole else None
    where = str(place) if place else "which byte is not known: there is no whole copy to compare with"
    return Diagnostic("T460", f"{one.shown} is not what was written: {where}", help=_AGAIN)


def _missing(one: Held) -> Diagnostic:
    what = "is a link" if one.path.is_symlink() else "is missing"
    return Diagnostic("T461", f"{one.shown} {what}", help=_AGAIN)


def _of_folder(path: Path, whole: Mapping[str, Any], chosen: Release | None = None) -> list[Held]:
    if chosen and chosen.pruned and not path.is_dir():
        return []
    return [
        Held(path / name, (path / name).as_posix(), entry["sha256"], None, entry["bytes"], entry["pieces"])
        for name, entry in sorted(whole["files"].items())
    ]


def _of_cache(root: Path, whole: Mapping[str, Any], chosen: Release) -> list[Held]:
    """What the release was built of and from, as far as the cache holds it; the user's own files are not in it."""
    cache = dvc.cache(root)
    copies = [(build.cache_object(cache, entry["md5"]), path, entry) for path, entry in sorted(whole["build"].items())]
    return [
        Held(copy, f"the cache's copy of {path}", entry["sha256"], None, entry["bytes"], entry["pieces"])
        for copy, path, entry in copies
        if copy.is_file()
    ]


# ---------------------------------------------------------------- tag and registry


def _tag(
    repo: git.Repository, chosen: Release, tag: git.Tag, texts: Mapping[str, bytes | None]
) -> Iterator[Diagnostic]:
    """A moved tag names a commit that does not end with this release, or was not made on the commit that it names."""
    if tag.name != chosen.name:
        yield _moved(chosen, f"it calls itself {tag.name!a}")
    if git.parents(repo, tag.commit) != [chosen.line.get("commit")]:
        yield _moved(chosen, "its commit does not come right after the one that was released")
        return
    ours = {CHANGELOG, registry.manifest_path(chosen.name), registry.RELEASES, registry.RUNS, registry.DATASETS}
    changed = git.changed(repo, str(chosen.line["commit"]), tag.commit)
    others = [path for path in changed if path not in {repo.path(name) for name in ours}]
    if others:
        yield _moved(chosen, f"its commit changes {others[0]}, which no release touches")
    then = git.read(repo, tag.commit, registry.RELEASES) or b""
    if str(chosen.line.get("manifest")) not in tag.message:
        yield _moved(chosen, "its message names another manifest")
    yield from _registry(chosen, then, texts[registry.RELEASES] or b"")


def _registry(chosen: Release, then: bytes, now: bytes) -> Iterator[Diagnostic]:
    """Lines are only added: what the tag's commit held is how the registry begins today."""
    if number := _first_other_line(then, now):
        yield _edited(registry.RELEASES, number, f"the last commit does not hold what {chosen.name} was released with")
        return
    lines = registry.read(then, registry.RELEASES)
    if not lines or lines[-1] != dict(chosen.line):
        yield _moved(chosen, "its commit does not end the registry with this release")


def _first_other_line(then: bytes, now: bytes) -> int | None:
    """The number of the first line of `then` that `now` does not begin with."""
    new = now.split(b"\n")[:-1]
    pairs = enumerate(then.split(b"\n")[:-1], 1)
    return next((number for number, line in pairs if number > len(new) or new[number - 1] != line), None)


def _later(
    repo: git.Repository, chosen: Release, tag: git.Tag, texts: Mapping[str, bytes | None]
) -> Iterator[Diagnostic]:
    """The next release wrote down this one's tag."""
    lines = registry.read(texts[registry.RELEASES], registry.RELEASES)
    following = next((b for a, b in pairwise(lines) if a.get("release") == chosen.name), None)
    if following and following.get("previous_tag") not in (None, tag.oid):
        yield _moved(chosen, f"it is another tag than {following.get('release')} was made after")


def _texts(
    repo: git.Repository,
    root: Path,
    tag: git.Tag,
    chosen: Release,
    sealed: bytes,
    texts: Mapping[str, bytes | None],
) -> Iterator[Diagnostic]:
    """The registry's files on disk, and the folder's release.json, byte by byte against git."""
    path = root / FOLDER / chosen.name / manifest.NAME
    if path.parent.is_dir():
        yield from _same(path, sealed, path.relative_to(root).as_posix())
    name = registry.manifest_path(chosen.name)
    yield from _same(root / name, sealed, name)
    for file, last in texts.items():
        then = git.read(repo, tag.commit, file) or b""
        now = (root / file).read_bytes() if (root / file).is_file() else None
        if now is None and (last or then):
            yield Diagnostic("T461", f"{file} is missing", help=f"`git checkout HEAD -- {file}`")
        elif now is not None and (number := _first_other_line(then, now)):
            yield _edited(file, number, f"it is not what {chosen.name} was released with")
        elif now is not None and (broken := registry.broken(now)):
            yield _edited(file, broken.number, broken.why)
        elif now is not None and last and (number := _first_other_line(last, now)):
            yield _edited(file, number, "it is not what the last commit holds")


def _same(path: Path, whole: bytes, shown: str) -> Iterator[Diagnostic]:
    if not path.is_file():
        yield Diagnostic("T461", f"{shown} is missing", help=_AGAIN)
    elif place := digests.first_difference_from(path, whole):
        yield Diagnostic("T460", f"{shown} is not what was written: {place}", help=_AGAIN)


def _moved(chosen: Release, why: str) -> Diagnostic:
    help = "a tag that was fetched may be right where yours is not: `git fetch --tags --force` takes theirs"
    return Diagnostic("T462", f"the tag {chosen.name} was moved: {why}", help=help)


def _edited(file: str, number: int, why: str) -> Diagnostic:
    from stages.base import Span

    help = f"`git log -p -- {file}` shows by whom; take it back with `git checkout TAG -- {file}`"
    return Diagnostic("T463", f"{file}, line {number} was edited: {why}", Span(file, number), (), help)
