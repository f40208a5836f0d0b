"""`quantization: NAME` where NAME is a preset of conf/quantization/ or a format, and what a preset's name means in a
sweep.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from compiler.parse import Node, parse_value
from compiler.workspace import Workspace
from stages.catalog import QUANTIZATIONS

PRESET, FORMATS = "quantization.preset", "quantization.formats"
_OF_A_PRESET = ("formats", "max_drop", "imatrix")


def named(written: Node) -> Node:
    """`quantization: small` is short for `{preset: small}`; `q8_0`, or a list, for formats."""
    node = written.get("quantization")
    if node is None:
        return written
    if isinstance(node.value, str):
        section = {"formats": _one(node)} if node.value in QUANTIZATIONS else {"preset": node}
    elif isinstance(node.value, list):
        section = {"formats": node}
    elif (formats := node.get("formats")) and isinstance(formats.value, str) and formats.value in QUANTIZATIONS:
        section = {**node.value, "formats": _one(formats)}
    else:
        return written
    return Node({**written.value, "quantization": Node(section, node.span, node.key)}, written.span, written.key)


def giving_way(task: Node, overrides: Sequence[Node]) -> Node:
    """The task without what the preset says that the command line names: a preset lies below the task, and a word that
    was typed just now would else change nothing.
    """
    section = task.get("quantization")
    if section is None or not isinstance(section.value, dict) or not any(one.get(PRESET) for one in overrides):
        return task
    left = {key: node for key, node in section.value.items() if key not in _OF_A_PRESET}
    return Node({**task.value, "quantization": Node(left, section.span, section.key)}, task.span, task.key)


def formats(node: Node, workspace: Workspace) -> Iterator[Node]:
    """The formats of one value of a sweep: a name, a list of names; a preset's name stands for its formats."""
    for name in node.value if isinstance(node.value, list) else [node]:
        found = _of_preset(name.value, workspace) if name.value not in QUANTIZATIONS else None
        yield from (Node(one.value, name.span, name.key) for one in found) if found is not None else [name]


def _of_preset(name: object, workspace: Workspace) -> list[Node] | None:
    for layer in reversed(workspace.presets("quantization")):
        preset = layer.get(name) if isinstance(name, str) else None
        found = parse_value(preset.text, preset.file).get(FORMATS) if preset else None
        if found is not None and isinstance(found.value, list):
            return found.value
    return None


def _one(node: Node) -> Node:
    return Node([Node(node.value, node.span)], node.span, node.key)
