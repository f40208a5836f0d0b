"""`execution: NAME` and `execution: {type: NAME}` where NAME is a preset of conf/execution/."""

from __future__ import annotations

from typing import get_args

from compiler.execution import Type
from compiler.parse import Node


def named(written: Node) -> Node:
    """`execution: slurm` is short for `execution: {type: slurm}`."""
    node = written.get("execution")
    if node is None or not isinstance(node.value, str):
        return written
    return _with(written, Node({"type": node}, node.span, node.key))


def without_preset(written: Node) -> Node:
    """Without a `type` that names a preset of one's own: the type is what that preset says."""
    node, type = written.get("execution"), written.get("execution.type")
    if node is None or type is None or type.value in get_args(Type):
        return written
    return _with(written, Node({key: one for key, one in node.value.items() if key != "type"}, node.span, node.key))


def _with(written: Node, execution: Node) -> Node:
    return Node({**written.value, "execution": execution}, written.span, written.key)
