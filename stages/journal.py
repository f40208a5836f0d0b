"""Answers that came from far, by the digest of what was asked: kept as soon as they are there, so that what was cut off
(kill -9, an endpoint that goes down) asks none of them again.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from stages.rows import dumps


class Journal:
    """One JSON a line, {"key": digest, ...what was said}; a line that a crash cut off is left out."""

    def __init__(self, path: Path) -> None:
        self.path, self.known = path, dict(_lines(path))
        self._lock = threading.Lock()

    def add(self, key: str, said: dict[str, Any]) -> None:
        with self._lock:
            self.known[key] = said
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as out:
                begun = out.tell() and not _ends_a_line(self.path)
                out.write(b"\n" * begun + dumps({"key": key, **said}).encode() + b"\n")

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)


def strays(path: Path, rows: Collection[str]) -> int:
    """How many lines are about a row that is none of these, or show one."""
    return sum(not _keeps_to(said, rows) for _, said in _lines(path))


def keep_rows(path: Path, rows: Collection[str]) -> None:
    """Write a journal anew, with the lines that are about these rows alone."""
    kept = (dumps({"key": key, **said}) + "\n" for key, said in _lines(path) if _keeps_to(said, rows))
    aside = path.with_suffix(".forgetting")
    aside.write_text("".join(kept), encoding="utf-8")
    aside.replace(path)


def _keeps_to(said: Mapping[str, Any], rows: Collection[str]) -> bool:
    return all(row in rows for row in (said.get("row"), *said.get("shown", ())))


def digest(value: Any) -> str:
    return hashlib.sha256(dumps(value, sort_keys=True).encode()).hexdigest()


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for line in path.read_bytes().split(b"\n") if path.is_file() else ():
        try:
            said = json.loads(line)
            yield said.pop("key"), said
        except (ValueError, KeyError, AttributeError):
            continue
