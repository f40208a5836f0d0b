"""The commit, the tags and the folder of a release: all of them or none, also when it is killed in the middle.

objects   the commit and the tags, which no ref names: nothing can be seen yet
note      what is about to happen (tunec.releasing.journal)
folder    releases/NAME, copied aside and held against its sha256s, then renamed
refs      the branch and the tags, in one transaction of git
show      the commit's files on disk and in the index; then the note goes
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.diagnostics import fail
from tunec import git
from tunec.releasing import journal
from tunec.releasing.journal import Note
from tunec.releasing.targets import FOLDER


@dataclass(frozen=True)
class Folder:
    """A release's folder: name -> where its bytes come from, and the sha256 that they must have."""

    name: str
    files: Mapping[str, tuple[Path | bytes, str]]


@dataclass(frozen=True)
class Edit:
    """What is to be written down. files: workspace name -> whole content. tags: name -> message.

    tagged: the commit that the tags name; None for the new one.
    """

    what: str
    message: str
    files: Mapping[str, bytes]
    tags: Mapping[str, str] = field(default_factory=dict)
    tagged: str | None = None
    folder: Folder | None = None


def make(repo: git.Repository, root: Path, branch: str, parent: str, edit: Edit) -> None:
    """Raises T445 when a file is not what its sha256 says, T452 when git refuses; then nothing is left behind."""
    commit = git.commit(repo, parent, edit.files, edit.message)
    tags = {
        git.TAGS + name: git.tag_object(repo, name, edit.tagged or commit, text) for name, text in edit.tags.items()
    }
    folder = f"{FOLDER}/{edit.folder.name}" if edit.folder else ""
    note = Note(edit.what, str(root.resolve()), branch, parent, commit, tags, folder, tuple(sorted(edit.files)))
    journal.write(repo, note)
    try:
        if edit.folder:
            place(root / folder, edit.folder.files)
        journal.finish(repo, note)
    except BaseException:
        if git.resolve(repo, branch) == parent:
            journal.recover(repo)
        raise


def place(folder: Path, files: Mapping[str, tuple[Path | bytes, str]]) -> None:
    """Fill a folder of a release, whole or not at all. Its files cannot be written to, and git does not see them."""
    aside = journal.aside(folder)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    ignore = folder.parent / ".gitignore"
    if folder.parent.name == FOLDER and not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    for name, (source, sha256) in sorted(files.items()):
        found = _write(aside / name, source)
        if found != sha256:
            shutil.rmtree(aside, ignore_errors=True)
            help = "run `tunec verify --mend`, then `tunec build`"
            raise fail("T445", f"{name} is not what it was when it was measured", help=help)
    aside.rename(folder)


def _write(target: Path, source: Path | bytes) -> str:
    """Copy, and hash what was written on the way; returns the sha256."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with target.open("wb") as out:
        for block in _blocks(source):
            digest.update(block)
            out.write(block)
        out.flush()
        os.fsync(out.fileno())
    target.chmod(0o444)
    return digest.hexdigest()


def _blocks(source: Path | bytes) -> Any:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while block := file.read(1 << 20):
            yield block
