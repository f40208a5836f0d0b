"""Files on disk. Rows are JSONL, streamed, byte-identical for the same meaning.

A canonical row, as every stage after `data` reads it:

    {"id": "5f1c0d9a3b7e", "input": {"text": "For 2 at 7pm"}, "output": {"people": "2", "time": "7pm"}, "split": null}

`id` is a hash of all that a row says, so it does not depend on the file, the line or the order a row came in.
Rows to prefer by also have "rejected", a worse answer; rows of continued pretraining have "text" and nothing else. Rows
that a teacher is to answer have the split "unanswered", and "rejected" where the answer that they had is broken.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from stages.diagnostics import UserError, fail
from stages.shapes import UNANSWERED

_RARE = ("group", "tags", "rejected", "text", "when", "weight", "general", "parent")


@dataclass(frozen=True)
class Row:
    """One example. `split` is the official split that the source names, if it names one.

    group: rows of one group stay in one split. tags: its source's words, by which figures are reported.
    output: the right answer.
    rejected: a worse answer, which may break the contract; the only answer of a row that tells what not to say.
    text: what continued pretraining reads; such a row has an empty input and no answer.
    when: its time, where rows are parted by one.
    weight: how often it counts in training; None: once. general: it is asked and answered as it stands, without the
    task's words, against forgetting. parent: the train row that a teacher made it from.
    """

    id: str
    input: dict[str, Any]
    output: Any
    split: str | None = None
    group: str | None = None
    tags: tuple[str, ...] = ()
    rejected: Any = None
    text: str | None = None
    when: str | float | None = None
    weight: float | None = None
    general: bool | None = None
    parent: str | None = None

    @property
    def answered(self) -> bool:
        """Whether the row says what is right, so that an answer can be held against it."""
        known = self.rejected is None or self.output is not None
        return self.text is None and known and self.split != UNANSWERED


_FIELDS = tuple(field.name for field in fields(Row))


def as_dict(row: Row) -> dict[str, Any]:
    """The row as it is written: what few rows have, only where there is one."""
    fields = ((name, getattr(row, name)) for name in _FIELDS)
    return {name: value for name, value in fields if name not in _RARE or value not in (None, ())}


def dumps(value: Any, *, sort_keys: bool = False) -> str:
    """Strict JSON on one line, in the order given or sorted; NaN and infinity raise ValueError."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=sort_keys)


def row_id(input: dict[str, Any], output: Any) -> str:
    """48 bits of SHA-256 over input and output, key order aside; in hexadecimal, 12 characters."""
    text = json.dumps([input, output], ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class Damaged(UserError, ValueError):
    """T861: a file of a build is not what tunec wrote. Who can do without the file catches it as any ValueError."""


def damaged(path: Path, why: str) -> Damaged:
    help = "run `tunec build`: it restores what was changed or cut off, and writes an older version's reports anew"
    return Damaged(*fail("T861", f"{path} is not what this version of tunec wrote: {why}", help=help).diagnostics)


def read_jsonl(path: Path) -> Iterator[Any]:
    """The objects of a JSONL file that tunec itself wrote, one at a time. Raises T861 at a line that is damaged."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            yield _object(line, path, f"line {number}: ")


def write_jsonl(path: Path, objects: Iterable[Any]) -> int:
    """Write one object a line; returns how many."""
    with path.open("w", encoding="utf-8", newline="\n") as out:
        return sum(1 for item in objects if out.write(dumps(item) + "\n"))


def read_rows(path: Path) -> Iterator[Row]:
    """Raises T861 at a line that is damaged, or that is no row."""
    for number, item in enumerate(read_jsonl(path), 1):
        try:
            row = Row(**{**item, "tags": tuple(item.get("tags", ()))})
        except (TypeError, AttributeError):
            raise damaged(path, f"line {number} is no row") from None
        yield row


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    return write_jsonl(path, map(as_dict, rows))


def write_json(path: Path, value: Any, *, sort_keys: bool = True) -> None:
    """A report for people and for DVC: indented, keys sorted or in the order given, one newline at the end."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2, sort_keys=sort_keys)
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """A JSON file that tunec itself wrote. Raises T861 when it is damaged."""
    return _object(path.read_bytes(), path)


def _object(text: bytes, path: Path, place: str = "") -> Any:
    """What the JSON says. Why it says nothing is told without a word of it: it may be a row, and personal."""
    try:
        return json.loads(text.decode("utf-8"))
    except json.JSONDecodeError as error:
        why = f"{error.msg}, character {error.pos + 1:,}" if text.strip() else "it is empty"
    except UnicodeDecodeError:
        why = "it is no UTF-8"
    except RecursionError:
        why = "it is nested too deeply"
    raise damaged(path, place + why)


def read_yaml(path: Path) -> Any:
    """A YAML file that tunec or DVC wrote. By libyaml's safe loader where it is there: ten times quicker."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - it is a safe loader


def sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
