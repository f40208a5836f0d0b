"""`tunec verify`: every byte of a release, its tag and its lines of the registry against what was written once.

What is compared with what:

    the tag         with the registry: its commit's parent, what that commit changed, the line that it ends with
    the registry    with itself (each line holds the hash of the one before) and with what the tag's commit held
    release.json    with registry/manifests/NAME.json in the tag's commit, or with its own hash where there is no git
    a file          with its sha256; where it differs, the first byte that does is named
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.diagnostics import Diagnostic, fail
from stages.rows import read_json
from tunec import dvc_lock, dvc_store, git
from tunec.releasing import build, digests, ledger, manifest, registry, signing
from tunec.releasing.ledger import AGAIN
from tunec.releasing.shelf import Release
from tunec.releasing.targets import FOLDER


@dataclass(frozen=True)
class Held:
    """A file and what it has to be. pieces: see digests; None where only the hash is known."""

    path: Path
    shown: str
    sha256: str | None = None
    md5: str | None = None
    bytes: int | None = None
    pieces: Mapping[str, Any] | None = None
    brought: bool = False  # by a person, to be read: no stage wrote it


@dataclass
class Checked:
    """What was looked at, and what was found wrong. absent: files that were removed, as they may be."""

    found: list[Diagnostic]
    files: int = 0
    bytes: int = 0
    absent: int = 0

    @property
    def whole(self) -> bool:
        return all(found.severity != "error" for found in self.found)

    def add(self, other: Checked) -> None:
        self.found += other.found
        self.files, self.bytes = self.files + other.files, self.bytes + other.bytes
        self.absent += other.absent


def folder(path: Path, key: Path | None = None) -> Checked:
    """A folder of a release, or of a package, wherever it lies; git and DVC are not asked. key: see signing.look.

    Raises T465 when it is neither.
    """
    if (path / manifest.NAME).is_file():
        whole = manifest.opened((path / manifest.NAME).read_bytes(), (path / manifest.NAME).as_posix())
        return _signed(files(_of_folder(path, whole)), path, whole, key)
    if not (path / manifest.PACKED).is_file():
        help = f"name a release, or a folder that holds {manifest.NAME} or a package's {manifest.PACKED}"
        raise fail("T465", f"{path.as_posix()!a} holds nothing that can be verified", help=help)
    packed = read_json(path / manifest.PACKED)["files"]
    held = [Held(path / name, (path / name).as_posix(), sha256) for name, sha256 in sorted(packed.items())]
    return _signed(files(held), path, None, key)


def _signed(checked: Checked, path: Path, whole: Mapping[str, Any] | None, key: Path | None) -> Checked:
    """With what is wrong with its signature; of damaged files enough is said by their bytes."""
    if checked.whole and path.is_dir():
        checked.found += signing.look(path, whole, key)
    return checked


def release(
    repo: git.Repository,
    root: Path,
    chosen: Release,
    texts: Mapping[str, bytes | None],
    key: Path | None = None,
) -> Checked:
    """A release of this workspace: its tag, its lines, its folder, and what DVC's cache still holds of its build."""
    tag = git.tag(repo, chosen.name)
    if tag is None:
        help = "`git fetch --tags` brings it if it was pushed; a lightweight tag of that name is not it"
        return Checked([Diagnostic("T462", f"the annotated tag {chosen.name} is gone", help=help)])
    found = [*ledger.of_tag(repo, chosen, tag, texts), *ledger.later(chosen, tag, texts)]
    path = registry.manifest_path(chosen.name)
    text = git.read(repo, tag.commit, path)
    if text is None or hashlib.sha256(text).hexdigest() != chosen.line.get("manifest"):
        return Checked([*found, ledger.moved(chosen, f"its commit does not hold the {path} that the registry names")])
    whole = manifest.opened(text, path)
    on_disk = [*ledger.on_disk(repo, root, tag, chosen, text, texts)]
    held = [*_of_folder(root / FOLDER / chosen.name, whole, chosen), *_of_cache(root, whole, chosen)]
    checked = files(held)
    written = [path for path in whole["build"] if path.startswith("build/")]  # what a person brought is in no cache
    absent = len(whole["files"]) + len(written) - len(held)
    together = Checked([*found, *on_disk, *checked.found], checked.files, checked.bytes, absent)
    return _signed(together, root / FOLDER / chosen.name, whole, key)


def workspace(root: Path) -> Checked:
    """The build that stands here: what each stage read and wrote, on disk and in DVC's cache, against dvc.lock."""
    cache = dvc_store.cache(root)
    found: list[Held] = []
    for entry in build.entries(root, dvc_lock.of_the_graph(root), cache):
        if entry.md5 is not None and not entry.written:
            found.append(Held(root / entry.path, entry.path, md5=entry.md5, brought=True))
        elif entry.md5 is not None:
            copy = build.cache_object(cache, entry.md5)
            found.append(Held(root / entry.path, entry.path, md5=entry.md5))
            if copy.is_file() and not _one(copy, root / entry.path):
                found.append(Held(copy, f"the cache's copy of {entry.path}", md5=entry.md5))
    if all(one.brought for one in found):
        raise fail("T465", "nothing was built here that could be verified", help="run `tunec build`, or name a release")
    return files(found)


def _one(a: Path, b: Path) -> bool:
    """Whether two names are one file, as links of DVC are."""
    return b.exists() and a.samefile(b)


def mend(root: Path) -> list[str]:
    """Remove what is damaged, on disk and in DVC's cache, so that the next build brings or makes it anew."""
    cache = dvc_store.cache(root)
    removed = []
    for entry in build.entries(root, dvc_lock.of_the_graph(root), cache):
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
    if one.brought:
        help = "bring it back (`git checkout` where it is in git); or, where the change is meant, `tunec build`"
        return Diagnostic("T460", f"{one.shown} is not what the build read", help=help)
    where = str(place) if place else "which byte is not known: there is no whole copy to compare with"
    return Diagnostic("T460", f"{one.shown} is not what was written: {where}", help=AGAIN)


def _missing(one: Held) -> Diagnostic:
    what = "is a link" if one.path.is_symlink() else "is missing"
    help = "bring it back, or `tunec build` without it" if one.brought else AGAIN
    return Diagnostic("T461", f"{one.shown} {what}", help=help)


def _of_folder(path: Path, whole: Mapping[str, Any], chosen: Release | None = None) -> list[Held]:
    if chosen and chosen.pruned and not path.is_dir():
        return []
    return [
        Held(path / name, (path / name).as_posix(), entry["sha256"], None, entry["bytes"], entry["pieces"])
        for name, entry in sorted(whole["files"].items())
    ]


def _of_cache(root: Path, whole: Mapping[str, Any], chosen: Release) -> list[Held]:
    """What the release was built of and from, as far as the cache holds it; the user's own files are not in it."""
    cache = dvc_store.cache(root)
    copies = [(build.cache_object(cache, entry["md5"]), path, entry) for path, entry in sorted(whole["build"].items())]
    return [
        Held(copy, f"the cache's copy of {path}", entry["sha256"], None, entry["bytes"], entry["pieces"])
        for copy, path, entry in copies
        if copy.is_file()
    ]
