"""Records of data files as columns: the first some thousand of them, and how many there are in all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from stages.readers import read
from stages.row_shapes import Unshaped, columns
from tunec.peeking import peek

MOST = 20_000  # records of a file that are looked at

Fields = dict[str, Any]


@dataclass(frozen=True)
class Rows:
    """fields: of each record that can be read. total: of all files, about, where not all were looked at. unreadable:
    records that are none; reason: of the first, with its place.
    """

    fields: list[Fields]
    total: int
    unreadable: int = 0
    reason: str | None = None

    @property
    def whole(self) -> bool:
        return self.total <= len(self.fields) + self.unreadable


def rows(root: Path, files: Sequence[str], most: int = MOST) -> Rows:
    """The records of files below `root`. Raises T302 for a file that is not of its format."""
    found: list[Fields] = []
    total, unreadable, first = 0, 0, None
    for file in files:
        looked = 0
        for record in islice(read(root / file, "auto"), most):
            looked += 1
            fields, why = _columns(record.fields, record.reason)
            if fields is None:
                unreadable += 1
                first = first or f"{file}:{record.line}: {why}"
            else:
                found.append(fields)
        total += looked if looked < most else max(looked, _count(root / file))
    return Rows(found, total, unreadable, first)


def _columns(fields: Fields | None, reason: str | None) -> tuple[Fields | None, str | None]:
    if fields is None:
        return None, reason
    try:
        return columns(fields), None
    except Unshaped as why:
        return None, str(why)


def _count(path: Path) -> int:
    seen = peek(path, "auto")
    return seen.rows if seen else 0
