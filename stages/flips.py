"""The flip list for the eye: which rows a step lost or gained, with what differs set apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.counting import counted
from stages.equality import same
from stages.rows import dumps, read_jsonl
from stages.statistics import mcnemar
from stages.strict_json import strict_json

SHOWN = 50  # rows of one step
LONGEST = 400  # characters of one text


@dataclass(frozen=True)
class Cell:
    """What one side says in one field; None is nothing. `off`: it is not what was expected."""

    text: str | None
    off: bool


@dataclass(frozen=True)
class Line:
    """A field of the answer, or the whole answer where `field` is None, as all three sides have it."""

    field: str | None
    expected: Cell
    before: Cell
    after: Cell

    @property
    def agrees(self) -> bool:
        return not (self.before.off or self.after.off)


@dataclass(frozen=True)
class Flip:
    id: str
    lost: bool
    input: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]


@dataclass
class Step:
    """One step, such as f16 -> q4_k_m; rows that it lost come first."""

    before: str
    after: str
    lost: int = 0
    gained: int = 0
    _kept: dict[bool, list[Mapping[str, Any]]] = field(default_factory=lambda: {True: [], False: []})

    def add(self, item: Mapping[str, Any]) -> None:
        lost = item["now"] == "wrong"
        self.lost, self.gained = self.lost + lost, self.gained + (not lost)
        if len(self._kept[lost]) < SHOWN:
            self._kept[lost].append(item)

    @property
    def p(self) -> float:
        """How often chance alone would part the changed rows so unevenly."""
        return mcnemar(self.gained, self.lost)

    @property
    def shown(self) -> list[Flip]:
        return [flip(item) for item in (self._kept[True] + self._kept[False])[:SHOWN]]

    @property
    def more(self) -> int:
        return max(0, self.lost + self.gained - SHOWN)


def read_flips(path: Path) -> list[Step]:
    """The steps in the order of the file, which is streamed: only the rows that are shown stay in memory."""
    steps: dict[str, Step] = {}
    for item in read_jsonl(path):
        before, _, after = item["step"].partition(" -> ")
        steps.setdefault(item["step"], Step(before, after)).add(item)
    return list(steps.values())


def flip(item: Mapping[str, Any]) -> Flip:
    given = tuple((name, cut(_text(value))) for name, value in item["input"].items())
    sides = (item["expected"], _value(item["before"]), _value(item["after"]))
    lost = item["now"] == "wrong"
    if all(isinstance(side, dict) for side in sides):
        return Flip(item["id"], lost, given, _fields(*sides))
    texts = (_text(item["expected"]), item["before"], item["after"])
    cells = (Cell(cut(text), off) for text, off in zip(texts, (False, not lost, lost), strict=True))
    return Flip(item["id"], lost, given, (Line(None, *cells),))


def _fields(*sides: Mapping[str, Any]) -> tuple[Line, ...]:
    names = dict.fromkeys(name for side in sides for name in side)
    return tuple(Line(name, *_cells([side.get(name, _ABSENT) for side in sides])) for name in names)


_ABSENT = object()


def _cells(values: Sequence[Any]) -> list[Cell]:
    """Texts stand bare, unless two values that differ would then look the same, such as 2 and "2"."""
    off = [not _alike(value, values[0]) for value in values]
    alike = any(wrong and _text(value) == _text(values[0]) for value, wrong in zip(values, off, strict=True))
    show = dumps if alike else _text
    return [Cell(None if v is _ABSENT else cut(show(v)), o) for v, o in zip(values, off, strict=True)]


def _alike(a: Any, b: Any) -> bool:
    return a is b if _ABSENT in (a, b) else same(a, b)


def _value(text: str) -> Any:
    """What the text says as JSON, or None: then it is shown as it stands."""
    try:
        return strict_json(text)
    except (ValueError, RecursionError):
        return None


def _text(value: Any) -> str:
    if value is _ABSENT:
        return ""
    return value if isinstance(value, str) else dumps(value)


def cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({counted(len(text) - LONGEST, 'character')} more)"
