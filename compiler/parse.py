"""Pass 1: text -> nodes with spans.

YAML is read from its event stream, without recursion and without its object model: no alias, no tag, no merge key and
no duplicate key gets through, and a plain scalar is a number or true/false only where YAML 1.2 says so, so that `no`
and `3:30` stay text and `1e-5` is a number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from stages.diagnostics import Diagnostic, Span

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 50
MAX_VALUES = 20_000  # keys among them; every pass takes its time for each
MAX_FOUND = 50  # then reading stops: what follows is mostly an echo

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)$")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?$")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


@dataclass(frozen=True)
class Node:
    """A YAML value and its place. `value` is None, bool, int, float, str, a list of nodes or a dict of them.

    key: where the key stands that names this node, when it is a member of a mapping.
    written: a plain scalar as it is written: `1.10`, whose value is 1.1.
    """

    value: Any
    span: Span
    key: Span | None = None
    written: str | None = None

    def get(self, path: str) -> Node | None:
        """The node at a dotted path below this one, or None."""
        node: Node | None = self
        for part in path.split("."):
            node = node.value.get(part) if node is not None and isinstance(node.value, dict) else None
        return node

    def plain(self) -> Any:
        """The value as ordinary Python data."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        return [node.plain() for node in self.value] if isinstance(self.value, list) else self.value


class ParseError(Exception):
    """Carries every diagnostic that the pass found."""

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        super().__init__(f"{len(diagnostics)} errors")
        self.diagnostics = diagnostics


@dataclass
class _Open:
    """A sequence or mapping whose end has not come yet."""

    span: Span
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] | None = None
    pending: Node | None = None  # a mapping's key that waits for its value


def parse(text: str, file: str) -> Node:
    """Read one YAML document. Raises ParseError (T002 to T009)."""
    reader = _read(text, file)
    if reader.root is None or reader.root.value is None:
        raise ParseError([Diagnostic("T008", "the file holds no task", Span(file, 1), help=_EMPTY)])
    return reader.root


def parse_value(text: str, file: str) -> Node:
    """Read one value, which may be null. Raises ParseError (T002 to T009)."""
    return _read(text, file).root or Node(None, Span(file, 1))


def _read(text: str, file: str) -> _Reader:
    if len(text) > MAX_CHARACTERS:
        size = f"{len(text):,} characters, at most {MAX_CHARACTERS:,} are read"
        raise ParseError([Diagnostic("T002", f"the file is too large: {size}", Span(file, 1), help=_TOO_LARGE)])
    reader = _Reader(file, text)
    try:
        for event in yaml.parse(text.removeprefix("\ufeff"), Loader=_LOADER):
            reader.take(event)
            if len(reader.found) >= MAX_FOUND:
                break
    except UnicodeEncodeError:  # half a surrogate pair: bytes of the command line that were no UTF-8
        reader.found.append(Diagnostic("T002", "this is not UTF-8 text", Span(file, 1), help="write it in UTF-8"))
    except yaml.YAMLError as error:
        reader.found.append(_unprintable(text, file) or _syntax(error, file, text))
    if reader.found:
        raise ParseError(reader.found)
    return reader


def scalar(text: str) -> Any:
    """The value of a plain (unquoted) scalar."""
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _INT.match(text):
        return int(text) if len(text) < 20 else text
    if _FLOAT.match(text) and math.isfinite(number := float(text)):  # 1e999 is no number that JSON could hold
        return number
    return text


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TOO_LARGE = "a task.yaml is some hundred lines; keep rows in files that data.sources names"
_EMPTY = "run `tunec init DIR` for a task.yaml to start from"


class _Reader:
    """Builds nodes from events with a stack of open collections, and collects what it must refuse."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.lines = text.removeprefix("\ufeff").splitlines()
        self.found: list[Diagnostic] = []
        self.root: Node | None = None
        self.stack: list[_Open] = []
        self.values = 0

    def take(self, event: yaml.Event) -> None:
        span = self._span(event)
        if isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            self._refuse("T003", "a second YAML document begins here", span, "keep one task in one file")
        elif isinstance(event, yaml.AliasEvent):
            if not any(found.code == "T005" for found in self.found):  # its anchor is told already, where it has one
                self._refuse("T005", "aliases (`*name`) are not read", span, "write the value out")
            self._place(Node(None, span))
        elif isinstance(event, yaml.NodeEvent):
            self._begin(event, span)
        elif isinstance(event, yaml.CollectionEndEvent):
            closed = self.stack.pop()
            self._place(Node(closed.items if closed.entries is None else closed.entries, closed.span))

    def _begin(self, event: Any, span: Span) -> None:
        self.values += 1
        if self.values > MAX_VALUES:
            message = f"the file is too large: more than {MAX_VALUES:,} keys and values"
            raise ParseError([*self.found, Diagnostic("T002", message, span, help=_TOO_LARGE)])
        if event.anchor:
            self._refuse("T005", f"anchors (`&{event.anchor}`) are not read", span, "write the value out")
        if event.tag and event.tag != "!":
            self._refuse("T006", f"the tag `{event.tag}` is not read", span, "write plain values; no tag is needed")
        if isinstance(event, yaml.ScalarEvent):
            value = scalar(event.value) if event.implicit[0] else event.value
            self._interpolation(event.value, span)
            self._place(Node(value, span, written=event.value))
            return
        if len(self.stack) >= MAX_DEPTH:
            message = f"more than {MAX_DEPTH} levels deep"
            raise ParseError([*self.found, Diagnostic("T007", message, span, help="flatten the value")])
        self.stack.append(_Open(span, entries={} if isinstance(event, yaml.MappingStartEvent) else None))

    def _place(self, node: Node) -> None:
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        if top.entries is None:
            top.items.append(node)
        elif top.pending is None:
            top.pending = node
        else:
            self._enter(top.entries, top.pending, Node(node.value, node.span, top.pending.span, node.written))
            top.pending = None

    def _enter(self, entries: dict[str, Node], key: Node, node: Node) -> None:
        if isinstance(key.value, list | dict):
            self._refuse("T003", "a key must be a word, not a list or mapping", key.span, "write `key: value`")
            return
        name = self._spelled(key)
        if name == "<<":
            self._refuse("T005", "merge keys (`<<`) are not read", key.span, "write the keys out")
        elif name == "_target_":
            self._refuse(
                "T009", "`_target_` would build an object, which task.yaml cannot do", key.span, "remove the key"
            )
        elif name in entries:
            first = entries[name].key or entries[name].span
            note = f"it stands first at line {first.line}"
            self.found.append(
                Diagnostic("T004", f"the key `{name}` stands twice", key.span, (note,), "keep one of them")
            )
        else:
            entries[name] = node

    def _spelled(self, key: Node) -> str:
        """A key as it is written: `1.10` and `true` are words when they are keys."""
        if isinstance(key.value, str):
            return key.value
        line = self._line(key.span.line - 1)
        return line[key.span.column - 1 : key.span.column - 1 + key.span.length].strip()

    def _interpolation(self, text: str, span: Span) -> None:
        if "${" in text:
            message = "`${` would be an interpolation, and task.yaml has none"
            self._refuse("T009", message, span, "write the value itself, or override it on the command line")

    def _refuse(self, code: str, message: str, span: Span, help: str) -> None:
        self.found.append(Diagnostic(code, message, span, help=help))

    def _span(self, event: yaml.Event) -> Span:
        start, end = event.start_mark, event.end_mark
        if start is None or end is None:  # as the types have it; a parser's events always have both
            return Span(self.file, 1)
        length = end.column - start.column if end.line == start.line else len(self._line(start.line)) - start.column
        return Span(self.file, start.line + 1, start.column + 1, max(1, length))

    def _line(self, index: int) -> str:
        return self.lines[index] if index < len(self.lines) else ""


def _unprintable(text: str, file: str) -> Diagnostic | None:
    """A character that YAML takes nowhere; its library names no line for it."""
    found = yaml.reader.Reader.NON_PRINTABLE.search(text.removeprefix("\ufeff"))
    if found is None:
        return None
    before = text.removeprefix("\ufeff")[: found.start()].splitlines() or [""]
    message = f"this is not YAML: it holds the character U+{ord(found[0]):04X}"
    help = 'remove it; in double quotes it can be written as an escape, such as "\\x07"'
    return Diagnostic("T003", message, Span(file, len(before), len(before[-1]) + 1), help=help)


def _syntax(error: yaml.YAMLError, file: str, text: str) -> Diagnostic:
    mark = getattr(error, "problem_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.splitlines()
    tab = line <= len(lines) and "\t" in lines[line - 1][: column + 1]
    problem = getattr(error, "problem", None) or "a character that YAML does not allow"
    help = (
        "indent with spaces; YAML allows no tabs" if tab else "see the lines just above as well; quote texts with `: `"
    )
    return Diagnostic("T003", f"this is not YAML: {problem}", Span(file, line, column), help=help)


def overlay(below: Node, above: Node) -> Node:
    """`above` laid over `below`: mappings are merged key by key, anything else replaces. Spans stay with values; of a
    mapping that both have it is the upper one's.
    """
    return _laid(below, above, written_by=1)


def set_in(below: Node, above: Node) -> Node:
    """As `overlay`, for single values set in a text: a mapping that both have stays the lower one's."""
    return _laid(below, above, written_by=0)


def _laid(below: Node, above: Node, written_by: int) -> Node:
    if not (isinstance(below.value, dict) and isinstance(above.value, dict)):
        return above
    merged: Mapping[str, Node] = {
        name: _laid(below.value[name], node, written_by) if name in below.value else node
        for name, node in above.value.items()
    }
    writer = (below, above)[written_by]
    return Node({**below.value, **merged}, writer.span, writer.key)
