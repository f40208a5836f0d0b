"""What was decided over which data, when and by whom: for whoever has to answer for a model later.

    build/audit/data.jsonl, a line a run of the `data` stage, never written anew:
    {"at": "2026-11-21T22:31:03Z", "who": "ana", "files": {"data/raw/rows.jsonl": "sha256…"},
     "gates": {"pii": "redact", …}, "counts": {"read": 812, "accepted": 790, "rejected": 22},
     "decided": {"near": {"rejected": 22, "flagged": 0}}, "before": "sha256 of the line before"}

Each line names the one before it by its hash, so that a line that is changed or taken out shows. It lies outside of
what DVC hashes, and nothing is built from it.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stages.rows import dumps, read_jsonl, sha256

LOG = Path("build", "audit", "data.jsonl")


def note(files: Iterable[Path], gates: Mapping[str, str], counts: Mapping[str, int], **more: Any) -> None:
    """Append a line, whole or not at all."""
    LOG.parent.mkdir(parents=True, exist_ok=True)
    told = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "who": _who(),
        "files": {str(file): sha256(file) for file in files},
        "gates": dict(gates),
        "counts": dict(counts),
        **more,
        "before": _last(),
    }
    handle = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, (dumps(told) + "\n").encode())
        os.fsync(handle)
    finally:
        os.close(handle)


def broken(log: Path = LOG) -> Iterator[int]:
    """The numbers of lines, from 1, whose line before is not the one that they were written after."""
    before = ""
    for number, (line, told) in enumerate(zip(_lines(log), read_jsonl(log), strict=True), start=1):
        if told.get("before") != before:
            yield number
        before = hashlib.sha256(line).hexdigest()


def _last() -> str:
    lines = _lines(LOG) if LOG.is_file() else []
    return hashlib.sha256(lines[-1]).hexdigest() if lines else ""


def _lines(log: Path) -> list[bytes]:
    return log.read_bytes().splitlines()


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a user's name
        return str(os.getuid())
