"""The releases of a workspace as the registry tells them: which there are, which one a person means, what stage of life
each is in, and which of them retention keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from compiler.resolve import did_you_mean
from compiler.versions import Number, illegal, read_number
from stages.diagnostics import fail
from tunec import git
from tunec.releasing import registry

CANDIDATE, DEPLOYED, ARCHIVED = "candidate", "deployed", "archived"
_TEXTS = ("task", "date", "commit", "verdict", "manifest")
_MAKE_ONE = "make one: `tunec build`, then `tunec release`, which says what it still needs"
STAGES = (CANDIDATE, DEPLOYED, ARCHIVED)


@dataclass(frozen=True)
class Release:
    """One line of releases.jsonl, and its stage of life. `line` is the whole of it."""

    name: str
    number: Number
    stage: str
    pruned: bool
    line: Mapping[str, Any]


@dataclass(frozen=True)
class Shelf:
    """Every release of a task, oldest first, and the registry's files as a commit holds them."""

    releases: tuple[Release, ...]
    texts: Mapping[str, bytes | None]

    @property
    def last(self) -> Release | None:
        return self.releases[-1] if self.releases else None

    def meant(self, said: str | None) -> Release:
        """The one that is named, or the newest. Raises T453 as `find` does."""
        if said is not None:
            return self.find(said)
        if self.last is None:
            raise fail("T453", "nothing has been released here yet", help=_MAKE_ONE)
        return self.last

    def find(self, said: str) -> Release:
        """The release of this name, or of this version: v2, 2.1. Raises T453 when there is none or more than one."""
        exact = [release for release in self.releases if release.name == said]
        number = read_number(said)
        found = exact or [r for r in self.releases if number == r.number or r.name.endswith((f"-{said}", f"@{said}"))]
        if len(found) == 1:
            return found[0]
        names = [release.name for release in self.releases]
        if found:
            raise fail("T453", f"{said!a} may be {' or '.join(r.name for r in found)}", help="write the whole name")
        help = did_you_mean(said, names) or ("`tunec release list` shows all" if names else _MAKE_ONE)
        raise fail("T453", f"there is no release {said[:80]!a}", help=help)


def read(repo: git.Repository, commit: str | None) -> Shelf:
    """The shelf as a commit has it. Raises T456 at a line that is not what was written."""
    files = (*registry.RELEASED, registry.MARKS)
    texts = {file: git.read(repo, commit, file) if commit else None for file in files}
    lines = {file: registry.read(text, file) for file, text in texts.items()}
    marks = {str(mark.get("release")): mark for mark in lines[registry.MARKS]}
    found = (_release(n, line, marks) for n, line in enumerate(lines[registry.RELEASES], 1))
    return Shelf(tuple(found), texts)


def _release(number: int, line: Mapping[str, Any], marks: Mapping[str, Mapping[str, Any]]) -> Release:
    """What the registry says comes out of a repository that may be anyone's: it is checked like what a person types."""
    name, version = str(line.get("release")), read_number(str(line.get("version")))
    why = illegal(name) or (None if version else "its version is no number")
    why = why or next((f"it has no `{key}`" for key in _TEXTS if not isinstance(line.get(key), str)), None)
    if why or version is None:
        help = f"`git log --oneline -- {registry.RELEASES}` shows who wrote it"
        raise fail("T456", f"{registry.RELEASES}, line {number}: {why}", help=help, file=registry.RELEASES, line=number)
    mark = marks.get(name, {})
    stage = str(mark.get("mark", CANDIDATE))
    return Release(name, version, stage, bool(mark.get("pruned")), line)


def kept(releases: Sequence[Release], retention: int) -> dict[str, str]:
    """Release -> why its files stay; those that are not here may go. Newest first."""
    newest = [release for release in releases if not release.pruned][-retention:]
    why = {release.name: f"one of the newest {retention}" for release in reversed(newest)}
    for release in reversed(releases):
        if release.stage == DEPLOYED:
            why[release.name] = "deployed"
    return why


def marked(shelf: Shelf, name: str, stage: str, day: date, **more: Any) -> bytes:
    """marks.jsonl with one more line."""
    line = {"release": name, "mark": stage, "date": day.isoformat(), **more}
    return registry.added(shelf.texts[registry.MARKS], line)
