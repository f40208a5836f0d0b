"""Where in task.yaml a stage's diagnostic points. The stage knows but a key: lines are none of its inputs."""

from __future__ import annotations

from pathlib import Path

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
        inner = node.value.get(part) if isinstance(node.value, dict) else None
        if inner is None:
            break
        node, place = inner, inner.key
    return node.span if place and not isinstance(node.value, dict | list) else place
