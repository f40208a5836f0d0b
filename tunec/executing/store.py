"""Files by the SHA-256 of what they hold: how inputs and outputs are named while they travel.

A file that is called by its hash can be sent in pieces, sent again, shared by stages and workspaces and checked at any
time. The far side keeps them so (`Store`); the near side knows what it needs from a list alone.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"[0-9a-f]{64}")
_KEPT = 30 * 24 * 3600  # seconds that an object stays which nobody asks for
_PIECE = 1 << 20


@dataclass(frozen=True)
class Entry:
    """A file. size: in bytes."""

    sha256: str
    size: int

    def is_sane(self) -> bool:
        return bool(_NAME.fullmatch(self.sha256)) and self.size >= 0


Listing = Mapping[str, Entry]  # path -> what lies there


class Link(Exception):
    """A link where only plain files and folders may be; its text is the path."""


def look(path: Path) -> Entry:
    """Raises OSError."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
    return Entry(digest.hexdigest(), size)


def listing(root: Path, paths: Iterable[str], *, links: bool) -> dict[str, Entry]:
    """Every file at or below these paths of `root`, sorted. links: whether they are followed, else they raise Link."""
    found = {relative: look(root / relative) for path in paths for relative in _files(root, path, links)}
    return dict(sorted(found.items()))


def _files(root: Path, path: str, links: bool) -> Iterator[str]:
    top = root / path
    if not links and top.is_symlink():
        raise Link(path)
    if not top.is_dir():
        yield path
        return
    for folder, folders, files in os.walk(top, followlinks=links):
        for name in (*folders, *files) if not links else ():
            if (Path(folder) / name).is_symlink():
                raise Link((Path(folder) / name).relative_to(root).as_posix())
        yield from ((Path(folder) / name).relative_to(root).as_posix() for name in files)


class Store:
    """The far side's files. `objects` are whole and read-only; what comes in stands apart until its hash is right."""

    def __init__(self, folder: Path, workspace: str) -> None:
        self.folder = folder
        self.objects = folder / "objects"
        self.incoming = folder / "incoming" / workspace
        for place in (self.objects, self.incoming):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)

    def missing(self, entries: Iterable[Entry]) -> list[Entry]:
        """What is not here whole, each once. What is here counts as used now."""
        wanted = sorted(set(entries), key=lambda entry: entry.sha256)
        return [entry for entry in wanted if not self._has(entry)]

    def free(self) -> int:
        """Bytes that are left for us, those of half-sent files not counted as taken."""
        space = os.statvfs(self.folder)
        sent = sum(file.stat().st_size for file in self.incoming.iterdir())
        return space.f_bavail * space.f_frsize + sent

    def absorb(self, entries: Iterable[Entry]) -> list[str]:
        """Take in what has come; returns those whose content is not what their name says, which are thrown away."""
        wrong = []
        for entry in entries:
            came = self.incoming / entry.sha256
            if not came.is_file() or came.is_symlink() or look(came) != entry:
                came.unlink(missing_ok=True)
                wrong.append(entry.sha256)
            else:
                came.chmod(0o444)
                came.replace(self.objects / entry.sha256)
        return wrong

    def give(self, entry: Entry, to: Path) -> None:
        """Put a file where a stage reads it."""
        to.parent.mkdir(parents=True, exist_ok=True)
        _link(self.objects / entry.sha256, to)

    def take(self, path: Path, entry: Entry) -> None:
        """Keep what a stage wrote."""
        held = self.objects / entry.sha256
        if not self._has(entry):
            aside = held.with_name(f"{held.name}.{os.getpid()}.tmp")
            _link(path, aside)
            aside.chmod(0o444)
            aside.replace(held)

    def forget_old(self) -> None:
        """Drop what nobody asked for in a month."""
        now = time.time()
        for file in (*self.objects.iterdir(), *self.incoming.parent.glob("*/*")):
            with suppress(OSError):
                if now - file.stat().st_mtime > _KEPT:
                    file.unlink()

    def _has(self, entry: Entry) -> bool:
        """Whether an object is here. One whose bytes are no longer right is thrown away."""
        held = self.objects / entry.sha256
        if not held.is_file():
            return False
        os.utime(held)
        if look(held) == entry:
            return True
        held.unlink()
        return False


def _link(source: Path, to: Path) -> None:
    """A second name costs nothing; where there can be none, a copy."""
    try:
        os.link(source, to)
    except OSError:
        shutil.copyfile(source, to)
