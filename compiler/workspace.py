"""What the compiler may ask of the place that it compiles for. The face answers from the disk, a test from a dict."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

MOST_OPEN = 4  # parts of a path that hold `*`


class Preset(NamedTuple):
    """A YAML file of a config group: conf/GROUP/NAME.yaml. `file` is how diagnostics name it."""

    file: str
    text: str


class Peek(NamedTuple):
    """What the beginning of a data file shows.

    columns: of its first rows. splits: the official splits that they name. rows: how many the file has, about; 0
    where it is empty. whole: whether later rows can have no other columns. longest: bytes of the longest text that was
    seen in a column. said: the different texts of a column, where the whole file was seen and they are few; of a column
    of objects those of their fields, as `column.field`.
    """

    columns: frozenset[str]
    rows: int
    splits: frozenset[str] = frozenset()
    whole: bool = True
    longest: Mapping[str, int] = MappingProxyType({})
    said: Mapping[str, frozenset[str]] = MappingProxyType({})


class NoText(Exception):
    """A file that people write cannot be read as a text: what is wrong with it, and how to mend that."""

    def __init__(self, what: str, help: str) -> None:
        super().__init__(what)
        self.what, self.help = what, help


class Workspace(Protocol):
    def glob(self, pattern: str) -> list[str]:
        """The files below the workspace that a pattern matches, as sorted relative paths; `*` stays within a folder."""
        ...

    def escapes(self, path: str) -> bool:
        """Whether a relative path leads out of the workspace through a link."""
        ...

    def peek(self, file: str, format: str) -> Peek | None:
        """What a data file shows; None when it cannot be looked into quickly, or not be read at all."""
        ...

    def text(self, file: str) -> str:
        """What stands in a file that people write. Raises NoText for one that is too large, or no UTF-8 text."""
        ...

    def labels(self, files: list[str]) -> Mapping[str, int] | None:
        """How many rows have each label, as the last build counted them; None where nothing was built, or of other
        rows than those that stand in these files now.
        """
        ...

    def weights(self, model: str) -> int | None:
        """How many weights a .gguf file or transformers folder has; None where that cannot be told quickly."""
        ...

    def presets(self, group: str) -> list[Mapping[str, Preset]]:
        """The presets of a group by name, one layer each: tunec's own first, then the workspace's."""
        ...


def literal(pattern: str) -> str:
    """A pattern in which `*` alone is special: `rows[1].jsonl` is a file's name, and `**` is no more than `*`."""
    return re.sub(r"[?[]", lambda found: f"[{found[0]}]", re.sub(r"\*+", "*", pattern))


def too_wild(pattern: str) -> bool:
    """Whether a pattern leaves so many folders open that looking could go on and on, where links lead back."""
    return sum("*" in part for part in pattern.split("/")) > MOST_OPEN
