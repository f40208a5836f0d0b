"""What became of every key of a foreign file, told once and never dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cache
from typing import Any, Literal

from compiler.parse import Node
from stages.diagnostics import Span

Path = tuple[str | int, ...]
# decided: tunec does this itself. cannot: tunec has no such thing. unknown: to us. idle: it says nothing.
Kind = Literal["decided", "cannot", "unknown", "idle"]


@dataclass(frozen=True)
class Reason:
    """Why keys stay behind. `keys`: patterns of dotted names, blank-separated; list positions are left out."""

    kind: Kind
    keys: str
    why: str

    def fits(self, name: str) -> bool:
        return bool(_pattern(self.keys).match(name))


@cache
def _pattern(keys: str) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, keys.split())))


@dataclass(frozen=True)
class Entry:
    """One key, and all below it that is not told elsewhere: where it went (`target`), or why it stayed behind."""

    path: Path
    span: Span
    leaves: frozenset[Path]
    value: Any
    target: str | None = None
    kind: Kind | None = None
    why: str = ""

    @property
    def name(self) -> str:
        return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path).removeprefix(".")


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


class Ledger:
    """One foreign file. Translators look keys up and tell what became of them; `settle` tells the rest."""

    def __init__(self, tree: Node) -> None:
        self.tree = tree
        self.entries: list[Entry] = []
        self._told: set[Path] = set()

    def node(self, *path: str | int) -> Node | None:
        node: Node | None = self.tree
        for part in path:
            node = _child(node, part)
        return node

    def value(self, *path: str | int) -> Any:
        """The plain value at a path; None when there is none, when it is empty, and when it is an interpolation."""
        node = self.node(*path)
        value = node.plain() if node is not None else None
        return None if value in ("", [], {}) or (node is not None and _interpolated(node)) else value

    def veiled(self, *path: str | int) -> bool:
        """Whether a key has a value that only an interpolation would tell."""
        node = self.node(*path)
        return node is not None and _interpolated(node)

    def took(self, target: str, *path: str | int) -> None:
        """The key went to this key of task.yaml."""
        self._tell(path, target, None, "")

    def left(self, kind: Kind, why: str, *path: str | int) -> None:
        """The key stays behind."""
        self._tell(path, None, kind, why)

    def settle(self, reasons: Sequence[Reason]) -> None:
        """Tell every key that no translator told, as high up as possible; then sort all by their place."""
        for path, node in list(self._untold((), self.tree)):
            self.left(*_why(path, node, reasons), *path)
        self.entries.sort(key=lambda entry: (entry.span.line, entry.span.column, entry.name))

    def _tell(self, path: Path, target: str | None, kind: Kind | None, why: str) -> None:
        node = self.node(*path)
        fresh = frozenset(leaf for leaf in _leaves(path, node) if leaf not in self._told) if node else frozenset()
        if node is None or not fresh:
            return
        self._told |= fresh
        value = node.plain()
        self.entries.append(Entry(path, node.key or node.span, fresh, value, target, kind, why))

    def _untold(self, path: Path, node: Node) -> Iterator[tuple[Path, Node]]:
        for part, child in _children(node):
            here = (*path, part)
            told = [leaf in self._told for leaf in _leaves(here, child)]
            if not any(told):
                yield here, child
            elif not all(told):
                yield from self._untold(here, child)


def leaves(tree: Node) -> frozenset[Path]:
    """Every path of a file at which a value ends: a scalar, or an empty list or mapping."""
    return frozenset(_leaves((), tree))


def _leaves(path: Path, node: Node) -> Iterator[Path]:
    children = list(_children(node))
    if not children:
        yield path
    for part, child in children:
        yield from _leaves((*path, part), child)


def _children(node: Node) -> Iterator[tuple[str | int, Node]]:
    if isinstance(node.value, dict):
        yield from node.value.items()
    elif isinstance(node.value, list):
        yield from enumerate(node.value)


def _child(node: Node | None, part: str | int) -> Node | None:
    value = node.value if node is not None else None
    if isinstance(value, dict) and isinstance(part, str):
        return value.get(part)
    return value[part] if isinstance(value, list) and isinstance(part, int) and part < len(value) else None


def _interpolated(node: Node) -> bool:
    return any("${" in leaf for leaf in _texts(node))


def _texts(node: Node) -> Iterator[str]:
    if isinstance(node.value, str):
        yield node.value
    for name, child in _children(node):
        yield str(name)
        yield from _texts(child)


def _why(path: Path, node: Node, reasons: Sequence[Reason]) -> tuple[Kind, str]:
    name = ".".join(str(part) for part in path if not isinstance(part, int))
    known = next((reason for reason in reasons if reason.fits(name)), None)
    if node.value is None or node.value in ("", [], {}):
        return "idle", "it has no value"
    if known and known.kind == "cannot" and node.value in (False, "none", "no"):
        return "idle", "it is switched off"
    if _interpolated(node):
        return "cannot", "`${...}` is not read: write the value itself into task.yaml"
    return (known.kind, known.why) if known else ("unknown", "we do not know this key; see what it does there")
