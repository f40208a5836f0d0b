"""One at a time, and never half: a lock that a killed process lets go of, and a note of what is being done.

The note is written before anything can be seen, and taken away when everything is done. The commit and the tags exist
by then, but no ref names them: so a run that finds the note either finishes (a ref did move) or undoes (none did).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.diagnostics import fail
from tunec import git

_NOTE, _LOCK = "tunec-release.json", "tunec-release.lock"
BROUGHT = "tunec-brought."  # folders for what is fetched from a remote


@dataclass(frozen=True)
class Note:
    """What is being done.

    root: the workspace's folder. branch: goes from `parent` to `commit`. tags: ref -> the tag's hash. folder: the
    release's folder below the workspace, "" where there is none. files: workspace files that the commit changes.
    """

    what: str
    root: str
    branch: str
    parent: str
    commit: str
    tags: Mapping[str, str]
    folder: str
    files: tuple[str, ...]


@contextmanager
def alone(repo: git.Repository) -> Iterator[None]:
    """Raises T451 when another release runs in this repository."""
    import fcntl

    with (repo.folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise fail(
                "T451", "another release runs in this repository", help="wait for it, then run it again"
            ) from None
        yield


def write(repo: git.Repository, note: Note) -> None:
    """Whole or not at all, and on the disk before anything else happens."""
    aside = repo.folder / f"{_NOTE}.tmp"
    with aside.open("w", encoding="utf-8") as out:
        json.dump(asdict(note), out)
        out.flush()
        os.fsync(out.fileno())
    aside.replace(repo.folder / _NOTE)


def done(repo: git.Repository) -> None:
    (repo.folder / _NOTE).unlink(missing_ok=True)


def read(repo: git.Repository) -> Note | None:
    """What was cut off, if anything was."""
    try:
        told = json.loads((repo.folder / _NOTE).read_text(encoding="utf-8"))
        return Note(**{**told, "files": tuple(told["files"])})
    except FileNotFoundError:
        return None


def require_none(repo: git.Repository) -> None:
    """Raises T466 when something was cut off, for commands that only look."""
    note = read(repo)
    if note:
        help = "run `tunec release` (or another command that writes): it first finishes or undoes that"
        raise fail("T466", f"{note.what} was cut off in the middle", help=help)


def recover(repo: git.Repository) -> str | None:
    """Finish or undo what was cut off; says which. The caller holds the lock.

    Raises T466 when what lies in the way is not ours to touch.
    """
    _sweep(repo)
    note = read(repo)
    if note is None:
        return None
    git.unlock(repo, note.tags, note.branch)
    moved = _has_moved(repo, note)
    tagged = [ref for ref, oid in note.tags.items() if git.resolve(repo, ref) == oid]
    if moved or (tagged and git.resolve(repo, note.branch) == note.parent):
        finish(repo, note, moved=moved, tagged=tagged)
        return f"finished {note.what}, which was cut off"
    git.move(repo, {ref: (note.tags[ref], git.ABSENT) for ref in tagged}, f"undo {note.what}")
    _clear(note)
    done(repo)
    return f"undid {note.what}, which was cut off before anything could be seen of it"


def finish(repo: git.Repository, note: Note, *, moved: bool = False, tagged: list[str] | None = None) -> None:
    """Everything from the moving of refs on. Each step may have been done before."""
    refs = {ref: (git.ABSENT, oid) for ref, oid in note.tags.items() if ref not in (tagged or ())}
    if not moved:
        refs[note.branch] = (note.parent, note.commit)
    if refs:
        git.move(repo, refs, note.what)
    place = git.Repository(repo.top, _prefix(repo, note), repo.folder)
    for name in note.files:
        if not any(git.same_on_disk(place, commit, name) for commit in (note.parent, note.commit)):
            help = f"save your edit elsewhere, then `git checkout {note.commit[:12]} -- {name}`, and run it again"
            raise fail("T466", f"{name} was edited after {note.what} was cut off", help=help)
    git.show(place, note.commit, note.files)
    done(repo)


def _sweep(repo: git.Repository) -> None:
    """What only a killed run leaves: nobody else is at work here."""
    (repo.folder / f"{_NOTE}.tmp").unlink(missing_ok=True)
    for path in repo.folder.glob(f"{git.OWN_INDEX}*"):
        path.unlink(missing_ok=True)
    for path in repo.folder.glob(f"{BROUGHT}*"):
        shutil.rmtree(path, ignore_errors=True)


def _has_moved(repo: git.Repository, note: Note) -> bool:
    tip = git.resolve(repo, note.branch)
    return tip is not None and tip != note.parent and git.contains(repo, tip, note.commit)


def _prefix(repo: git.Repository, note: Note) -> str:
    inside = Path(note.root).relative_to(repo.top).as_posix()
    return "" if inside == "." else f"{inside}/"


def aside(folder: Path) -> Path:
    """Where a release's folder is filled before it gets its name."""
    return folder.with_name(f".{folder.name}.tmp")


def _clear(note: Note) -> None:
    if not note.folder:
        return
    folder = Path(note.root) / note.folder
    for path in (folder, aside(folder)):
        shutil.rmtree(path, ignore_errors=True)
    if folder.parent.is_dir() and [path.name for path in folder.parent.iterdir()] in ([], [".gitignore"]):
        shutil.rmtree(folder.parent)
