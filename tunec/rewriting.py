"""Edits of a task.yaml that a person wrote: values are put in place, and every comment, blank and line that is not the
value itself stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from tunec.shown import number

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def with_values(text: str, values: Mapping[str, Any]) -> str:
    """The text with each dotted key set to its value. The text is one that the compiler's parser takes."""
    for path, value in values.items():
        text = _with(text, path.split("."), value)
    return text


def without(text: str, key: str) -> str:
    """The text without a key of its outermost mapping; the comments around it stay."""
    root = _root(text)
    for name, value in root.value:
        if name.value == key:
            start = _line_start(text, name.start_mark.index)
            return text[:start] + text[_line_end(text, _end(text, value)) :]
    return text


def with_item(text: str, path: str, item: Any) -> str:
    """The text with one more item at the end of the list at a dotted key, which must be there and hold some."""
    at = _root(text)
    for name in path.split("."):
        at = next(node for key, node in at.value if key.value == name)
    place = _end(text, at.value[-1])
    if at.flow_style:
        return f"{text[:place]}, {written(item)}{text[place:]}"
    end = _line_end(text, place)
    lead = "" if text[:end].endswith("\n") else "\n"
    return f"{text[:end]}{lead}{' ' * at.start_mark.column}- {written(item)}\n{text[end:]}"


def has(text: str, path: str) -> bool:
    """Whether the text itself sets a dotted key."""
    at = _root(text)
    for name in path.split("."):
        nodes = at.value if isinstance(at, yaml.MappingNode) else ()
        at = next((node for key, node in nodes if key.value == name), None)
        if at is None:
            return False
    return True


def written(value: Any) -> str:
    """A value on one line, as a person would write it: 2e-4, [q8_0, q4_k_m], {r: 8}."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{written(str(key))}: {written(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, float):
        return number(value)
    # A list of one, so that what needs quotes between brackets gets them.
    return str(yaml.safe_dump([value], default_flow_style=True, width=10_000, allow_unicode=True)).strip()[1:-1]


def _with(text: str, path: list[str], value: Any) -> str:
    at, key = _root(text), None
    for place, name in enumerate(path):
        found = next(((key, node) for key, node in at.value if key.value == name), None)
        if found is None:
            return _added(text, at, name, _nested(path[place + 1 :], value))
        key, at = found
        if place < len(path) - 1 and not isinstance(at, yaml.MappingNode):
            return _replaced(text, key, at, _nested(path[place + 1 :], value))
    return _replaced(text, key, at, value)


def _root(text: str) -> Any:
    return yaml.compose(text, Loader=_LOADER)


def _nested(path: list[str], value: Any) -> Any:
    for name in reversed(path):
        value = {name: value}
    return value


def _replaced(text: str, key: Any, node: Any, value: Any) -> str:
    """A block below its key moves up beside it; the comments between them stay."""
    colon = text.index(":", key.end_mark.index) + 1
    end = _end(text, node)
    first, *further = text[colon : max(colon, node.start_mark.index)].split("\n")
    if not further:
        return f"{text[:colon]}{first or ' '}{written(value)}{text[end:]}"
    comments = "".join(f"\n{line.rstrip()}" for line in further if line.strip())
    return f"{text[:colon]} {written(value)}{first}{comments}{text[end:]}"


def _added(text: str, mapping: Any, name: str, value: Any) -> str:
    entry = f"{written(name)}: {written(value)}"
    if mapping.flow_style:
        place = _end(text, mapping.value[-1][1]) if mapping.value else _end(text, mapping) - 1
        return f"{text[:place]}{', ' if mapping.value else ''}{entry}{text[place:]}"
    end = _line_end(text, _end(text, mapping.value[-1][1]))
    lead = "" if text[:end].endswith("\n") else "\n"
    return f"{text[:end]}{lead}{' ' * mapping.value[0][0].start_mark.column}{entry}\n{text[end:]}"


def _end(text: str, node: Any) -> int:
    """Where a value ends. YAML ends a block where the next thing begins, which is behind comments that belong there."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style:
        found = node.end_mark.index
        return len(text[:found].rstrip()) if getattr(node, "style", None) in ("|", ">") else found
    if not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(text, last[1] if isinstance(last, tuple) else last)


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _line_end(text: str, index: int) -> int:
    """Behind the line break of the line that holds this place, whose comment goes with it."""
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1
