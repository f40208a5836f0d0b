"""What git knows of a release, against what stands there now: its tag, its lines of the registry, its manifest.

A tag that was moved is known by the registry, a line that was edited by the line after it and by the tag's own commit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

from stages.diagnostics import Diagnostic, Span
from tunec import git
from tunec.releasing import digests, manifest, registry, signing
from tunec.releasing.proposing import CHANGELOG
from tunec.releasing.shelf import Release
from tunec.releasing.targets import FOLDER

AGAIN = "`tunec release get NAME` brings the files of a release; `tunec build` makes those of a build"


def of_tag(
    repo: git.Repository, chosen: Release, tag: git.Tag, texts: Mapping[str, bytes | None]
) -> Iterator[Diagnostic]:
    """A moved tag names a commit that does not end with this release, or was not made on the commit that it names."""
    if tag.name != chosen.name:
        yield moved(chosen, f"it calls itself {tag.name!a}")
    if git.parents(repo, tag.commit) != [chosen.line.get("commit")]:
        yield moved(chosen, "its commit does not come right after the one that was released")
        return
    ours = {CHANGELOG, registry.manifest_path(chosen.name), registry.signature_path(chosen.name), *registry.RELEASED}
    changed = git.changed(repo, str(chosen.line["commit"]), tag.commit)
    others = [path for path in changed if path not in {repo.path(name) for name in ours}]
    if others:
        yield moved(chosen, f"its commit changes {others[0]}, which no release touches")
    then = git.read(repo, tag.commit, registry.RELEASES) or b""
    if str(chosen.line.get("manifest")) not in tag.message:
        yield moved(chosen, "its message names another manifest")
    yield from _registry(chosen, then, texts[registry.RELEASES] or b"")


def _registry(chosen: Release, then: bytes, now: bytes) -> Iterator[Diagnostic]:
    """Lines are only added: what the tag's commit held is how the registry begins today."""
    if number := _first_other_line(then, now):
        yield _edited(registry.RELEASES, number, f"the last commit does not hold what {chosen.name} was released with")
        return
    lines = registry.read(then, registry.RELEASES)
    if not lines or lines[-1] != dict(chosen.line):
        yield moved(chosen, "its commit does not end the registry with this release")


def _first_other_line(then: bytes, now: bytes) -> int | None:
    """The number of the first line of `then` that `now` does not begin with."""
    new = now.split(b"\n")[:-1]
    pairs = enumerate(then.split(b"\n")[:-1], 1)
    return next((number for number, line in pairs if number > len(new) or new[number - 1] != line), None)


def later(chosen: Release, tag: git.Tag, texts: Mapping[str, bytes | None]) -> Iterator[Diagnostic]:
    """The next release wrote down this one's tag."""
    lines = registry.read(texts[registry.RELEASES], registry.RELEASES)
    following = next((b for a, b in pairwise(lines) if a.get("release") == chosen.name), None)
    if following and following.get("previous_tag") not in (None, tag.oid):
        yield moved(chosen, f"it is another tag than {following.get('release')} was made after")


def on_disk(
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
    yield from _signature(repo, root, tag, chosen)
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


def _signature(repo: git.Repository, root: Path, tag: git.Tag, chosen: Release) -> Iterator[Diagnostic]:
    """The signature in the registry and in the folder, where the tag's commit holds one."""
    name, folder = registry.signature_path(chosen.name), Path(FOLDER, chosen.name)
    signature = git.read(repo, tag.commit, name)
    if signature is None:
        return
    yield from _same(root / name, signature, name)
    if (root / folder).is_dir():
        yield from _same(root / folder / signing.NAME, signature, (folder / signing.NAME).as_posix())


def _same(path: Path, whole: bytes, shown: str) -> Iterator[Diagnostic]:
    if not path.is_file():
        yield Diagnostic("T461", f"{shown} is missing", help=AGAIN)
    elif place := digests.first_difference_from(path, whole):
        yield Diagnostic("T460", f"{shown} is not what was written: {place}", help=AGAIN)


def moved(chosen: Release, why: str) -> Diagnostic:
    help = "a tag that was fetched may be right where yours is not: `git fetch --tags --force` takes theirs"
    return Diagnostic("T462", f"the tag {chosen.name} was moved: {why}", help=help)


def _edited(file: str, number: int, why: str) -> Diagnostic:
    help = f"`git log -p -- {file}` shows by whom; take it back with `git checkout TAG -- {file}`"
    return Diagnostic("T463", f"{file}, line {number} was edited: {why}", Span(file, number), (), help)
