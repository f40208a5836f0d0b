"""Where in task.yaml a stage's diagnostic points. The stage knows but a key: lines are none of its inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from compiler.parse import Node, ParseError, parse
from stages.diagnostics import Diagnostic, Span, UserError
from tunec.workspace import TASK, read_task


def placed(found: Diagnostic, root: Path) -> Diagnostic:
    """The diagnostic with the place of its key, or of the nearest key above it that task.yaml has."""
    if found.span or not found.key:
        return found
    try:
        tree = parse(read_task(root / TASK), TASK)
    except (ParseError, UserError):
        return found
    return found._replace(span=_nearest(tree, found.key.split(".")))


def _nearest(node: Node, path: list[str]) -> Span | None:
    place = None
    for part in path:
        inner = _inner(node.value, part)
        if inner is None:
            break
        node, place = inner, inner.key or inner.span
    return node.span if place and not isinstance(node.value, dict | list) else place


def _inner(value: Any, part: str) -> Node | None:
    """What a key or, of a list, a number names."""
    if isinstance(value, list):
        return value[int(part)] if part.isdigit() and int(part) < len(value) else None
    return value.get(part) if isinstance(value, dict) else None
