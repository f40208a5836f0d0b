"""registry/*.jsonl: what was released, out of which run and which data, and what became of it. Lines are only added.

Each line names the sha256 of the line before it, so an edited, moved or dropped line is known by the next one; the last
line is known by the tag, whose commit holds it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages.diagnostics import fail
from stages.rows import dumps

FOLDER = "registry"
RELEASES, RUNS, DATASETS, MARKS, CRITICAL = (
    f"{FOLDER}/{name}.jsonl" for name in ("releases", "runs", "datasets", "marks", "critical")
)
RELEASED = (RELEASES, RUNS, DATASETS, CRITICAL)  # those that a release adds lines to
PREVIOUS = "previous"


def manifest_path(release: str) -> str:
    return f"{FOLDER}/manifests/{release}.json"


def signature_path(release: str) -> str:
    return f"{FOLDER}/signatures/{release}.json"


@dataclass(frozen=True)
class Broken:
    """A line that is not what was once written. `number` counts from 1."""

    number: int
    why: str


def read(text: bytes | None, file: str) -> list[dict[str, Any]]:
    """The lines of a registry file. Raises T456 at the first that is broken."""
    lines, broken = _read(text or b"")
    if broken:
        help = f"take the file back from git: `git log --oneline -- {file}` shows who touched it"
        raise fail("T456", f"{file}, line {broken.number}: {broken.why}", help=help, file=file, line=broken.number)
    return lines


def broken(text: bytes) -> Broken | None:
    """The first line that breaks the chain."""
    return _read(text)[1]


def added(text: bytes | None, line: Mapping[str, Any]) -> bytes:
    """The file with one more line."""
    before = text or b""
    last = before.split(b"\n")[-2:-1]
    return before + (dumps({**line, PREVIOUS: _hash(last[0]) if last else None}) + "\n").encode()


def _read(text: bytes) -> tuple[list[dict[str, Any]], Broken | None]:
    lines: list[dict[str, Any]] = []
    before: bytes | None = None
    if text and not text.endswith(b"\n"):
        return [], Broken(text.count(b"\n") + 1, "it does not end")
    for number, line in enumerate(text.split(b"\n")[:-1], 1):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            return lines, Broken(number, "it is no JSON")
        if not isinstance(value, dict):
            return lines, Broken(number, "it is no mapping")
        if value.get(PREVIOUS) != (None if before is None else _hash(before)):
            return lines, Broken(number, "the line before it was edited, moved or dropped")
        lines.append(value)
        before = line
    return lines, None


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
