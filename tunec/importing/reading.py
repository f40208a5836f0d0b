"""A foreign YAML or JSON file -> nodes with spans, within limits.

Other projects' files are read as those projects read them: anchors, aliases and merge keys are followed, and `yes` is
true. No tag builds anything, `${...}` stays text, and aliases count as often as they are used: no bomb goes off.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from compiler.parse import Node, scalar
from stages.diagnostics import Diagnostic, Span, UserError

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 50
MAX_NODES = 20_000

_WORDS = {"yes": True, "on": True, "no": False, "off": False}  # of YAML 1.1, beside true and false
_GROUPED = re.compile(r"[-+]?[1-9][0-9_]*")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(path: Path) -> Node:
    """The mapping that a file holds. Raises UserError: T431 to T434, with one diagnostic."""
    shown = path.as_posix()
    text = _text(path, shown).removeprefix("\ufeff")
    if path.suffix == ".json":
        text = text.replace("\t", " ")  # JSON is YAML but for tabs between its values
    builder = _Builder(shown)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        span = Span(shown, mark.line + 1, mark.column + 1) if mark else Span(shown, 1)
        problem = getattr(error, "problem", None) or "a character that YAML does not allow"
        raise refuse("T432", f"this is not YAML: {problem}", span, "see the lines just above as well") from None
    root = builder.root
    if root is None or not isinstance(root.value, dict) or not root.value:
        help = "name the file that the other project trains with: keys and values, one a line"
        raise refuse("T434", "the file holds no mapping of keys to values", root.span if root else Span(shown, 1), help)
    return root


def refuse(code: str, message: str, span: Span | None, help: str, *notes: str) -> UserError:
    return UserError(Diagnostic(code, message, span, notes, help))


def _text(path: Path, shown: str) -> str:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise refuse("T431", f"{shown} is no file", None, "name a training file")
        if path.stat().st_size > 4 * MAX_CHARACTERS:
            raise refuse("T431", f"{shown} is too large", None, "name a training file, not a file of rows")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise refuse("T431", f"there is no {shown}", None, "correct the path") from None
    except IsADirectoryError:
        raise refuse("T431", f"{shown} is a folder", None, "name the file in it") from None
    except UnicodeDecodeError as error:
        note = f"byte {error.start} is not UTF-8"
        raise refuse("T431", f"{shown} is not UTF-8 text", None, "save it as UTF-8", note) from None
    except (OSError, ValueError) as error:
        raise refuse("T431", f"{shown!a} cannot be read: {error}", None, "name a file that you may read") from None
    if len(text) > MAX_CHARACTERS:
        raise refuse("T431", f"{shown} is too large", None, "name a training file, not a file of rows")
    return text


@dataclass(frozen=True)
class _Whole:
    """A finished value: how many nodes it holds, and how many levels."""

    node: Node
    size: int = 1
    depth: int = 0


@dataclass
class _Open:
    """A sequence or mapping whose end has not come yet."""

    span: Span
    anchor: str | None
    entries: dict[str, Node] | None
    items: list[Node] = field(default_factory=list)
    merged: list[Node] = field(default_factory=list)
    pending: Node | None = None
    size: int = 1
    depth: int = 1


class _Builder:
    """Builds nodes from events with a stack of open collections, without recursion."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Node | None = None
        self.stack: list[_Open] = []
        self.anchors: dict[str, _Whole] = {}
        self.used = 0

    def take(self, event: yaml.Event) -> None:
        span = self._span(event)
        self._count(1, span)
        if isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise refuse("T432", "a second YAML document begins here", span, "keep one training in one file")
        if isinstance(event, yaml.AliasEvent):
            self._alias(str(event.anchor), span)
        elif isinstance(event, yaml.ScalarEvent):
            self._tag(event, span)
            value = _read(event.value) if event.implicit[0] else event.value
            self._close(_Whole(Node(value, span)), event.anchor)
        elif isinstance(event, yaml.NodeEvent):
            self._tag(event, span)
            if len(self.stack) >= MAX_DEPTH:
                raise self._too_deep(span)
            self.stack.append(_Open(span, event.anchor, {} if isinstance(event, yaml.MappingStartEvent) else None))
        elif isinstance(event, yaml.CollectionEndEvent):
            top = self.stack.pop()
            value = top.items if top.entries is None else _merged(top.entries, top.merged)
            self._close(_Whole(Node(value, top.span), top.size, top.depth), top.anchor)

    def _tag(self, event: Any, span: Span) -> None:
        if event.tag and not event.tag.startswith("tag:yaml.org,2002:") and event.tag != "!":
            raise refuse("T432", f"the tag {event.tag!a} is not read", span, "write plain values; no tag is needed")
        if event.tag and event.tag.startswith("tag:yaml.org,2002:python"):
            raise refuse("T432", "a tag that builds Python objects is not read", span, "write plain values")

    def _alias(self, name: str, span: Span) -> None:
        known = self.anchors.get(name)
        if known is None:
            raise refuse("T432", f"the alias *{name} has no value before it", span, "write the value out")
        self._count(known.size, span)
        if len(self.stack) + known.depth > MAX_DEPTH:
            raise self._too_deep(span)
        self._close(_Whole(Node(known.node.value, span), known.size, known.depth), None)

    def _count(self, more: int, span: Span) -> None:
        self.used += more
        if self.used > MAX_NODES:
            help = "a training file holds some hundred values; write out those that aliases (`*name`) stand for"
            raise refuse("T433", f"more than {MAX_NODES:,} values, counting aliases as often as used", span, help)

    def _too_deep(self, span: Span) -> UserError:
        return refuse("T432", f"more than {MAX_DEPTH} levels deep", span, "flatten the value")

    def _close(self, whole: _Whole, anchor: str | None) -> None:
        if anchor:
            self.anchors[anchor] = whole
        if not self.stack:
            self.root = whole.node
            return
        top = self.stack[-1]
        top.size += whole.size
        top.depth = max(top.depth, whole.depth + 1)
        if top.entries is None:
            top.items.append(whole.node)
        elif top.pending is None:
            top.pending = whole.node
        else:
            self._enter(top, top.pending, whole.node)
            top.pending = None

    def _enter(self, top: _Open, key: Node, node: Node) -> None:
        if isinstance(key.value, list | dict):
            raise refuse("T432", "a key must be a word, not a list or mapping", key.span, "write `key: value`")
        name = str(key.value)
        if name == "<<":
            top.merged += node.value if isinstance(node.value, list) else [node]
        elif top.entries is None or name in top.entries:
            raise refuse("T432", f"the key {name!a} stands twice", key.span, "keep the one that you mean")
        else:
            top.entries[name] = Node(node.value, node.span, key.span)

    def _span(self, event: yaml.Event) -> Span:
        start, end = event.start_mark, event.end_mark
        if start is None or end is None:  # as the types have it; a parser's events always have both
            return Span(self.file, 1)
        length = end.column - start.column if end.line == start.line else 1
        return Span(self.file, start.line + 1, start.column + 1, max(1, length))


def _merged(entries: dict[str, Node], below: list[Node]) -> dict[str, Node]:
    """A mapping over those that `<<` lays under it; of those, the first that has a key wins."""
    for node in below:
        if isinstance(node.value, dict):
            entries = {**node.value, **entries}
    return entries


def _read(text: str) -> Any:
    value = scalar(text)
    if not isinstance(value, str):
        return value
    if _GROUPED.fullmatch(text) and len(text) < 20:
        return int(text.replace("_", ""))
    return _WORDS.get(text.lower(), text)
