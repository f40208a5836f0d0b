"""What the last runs of a stage took and saw, for the plan of the next build.

It lies beside the logs, outside of what DVC hashes, and nothing is built from it: without it a plan knows less, and is
not wrong. Files are named by their md5, as DVC names them, so what is told of one stays true wherever it turns up.

    build/logs/ran/data.json
    {"runs": [{"ended": "2026-11-21T19:31:03Z", "seconds": 2.1}],
     "rows": {"6f1ed002ab5595859014ebf0951522d9": 812},
     "code": {"0cc175b9c0f1b6a831c399e269772661": "stages/data.py 1f0a…\\npyarrow 22.0.0\\n"}}
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stages import peaks

FOLDER = Path("build", "logs", "ran")
_KEPT = 8  # of runs, of files and of fingerprints
_PIECE = 1 << 20


@dataclass(frozen=True)
class Ran:
    """One run of a stage that ended well. ended: UTC, to the second. seconds: of wall time. memory: bytes at most.
    gpu: those of its tensors on a GPU."""

    ended: str
    seconds: float
    memory: int | None = None
    gpu: int | None = None


@dataclass(frozen=True)
class Past:
    """What is known of a stage's last runs, the latest last. rows and code: by the md5 of the file."""

    runs: tuple[Ran, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Content:
    """A file as it is now. rows: None where its lines are no rows."""

    md5: str
    rows: int | None


def recall(root: Path, name: str) -> Past:
    """The past of an instance; an empty one where nothing, or nothing readable, was written down."""
    try:
        told = json.loads((root / FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        return Past(tuple(Ran(**one) for one in told["runs"]), dict(told["rows"]), dict(told["code"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Past()


def _ran(seconds: float) -> Ran:
    """The run of this process, which ends now."""
    ended = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return Ran(ended, round(seconds, 2), peaks.of_process(), peaks.of_gpu())


def remember(root: Path, name: str, seconds: float, sources: Iterable[Path], fingerprint: Path | None) -> None:
    """Write a run down, whole or not at all. sources: the user's files that it read."""
    past = recall(root, name)
    seen = [look(root / path) for path in sources if (root / path).is_file()]
    rows = {one.md5: one.rows for one in seen if one.rows is not None}
    text = (root / fingerprint).read_text(encoding="utf-8") if fingerprint else None
    code = {md5(text.encode()): text} if text else {}
    now = Past(
        (*past.runs, _ran(seconds))[-_KEPT:], _with(past.rows, rows, _KEPT + len(rows)), _with(past.code, code, _KEPT)
    )
    _write(root / FOLDER / f"{name}.json", asdict(now))


def look(path: Path) -> Content:
    """The md5 of a file and, of JSONL and CSV, how many rows it holds. Raises OSError."""
    digest, breaks, last = hashlib.md5(usedforsecurity=False), 0, b"\n"
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            breaks, last = breaks + piece.count(b"\n"), piece[-1:]
    lines = breaks + (last != b"\n")
    rows = lines if path.suffix == ".jsonl" else _csv_rows(path) if path.suffix == ".csv" else None
    return Content(digest.hexdigest(), rows)


def md5(content: bytes) -> str:
    """As DVC names a file of this content."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _csv_rows(path: Path) -> int | None:
    """Without the header. A quoted field may hold line breaks, so lines are not counted."""
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            return max(0, sum(1 for _ in csv.reader(file)) - 1)
    except csv.Error:
        return None


def _with(before: Mapping[str, Any], new: Mapping[str, Any], many: int) -> dict[str, Any]:
    """The latest `many` entries, the new ones last."""
    kept = {key: value for key, value in before.items() if key not in new} | dict(new)
    return dict(list(kept.items())[-many:])


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    aside.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    aside.replace(path)
