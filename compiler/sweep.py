"""`sweep:` -> the points of a grid. Each point is a task of its own; the graph of all of them is one."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

from compiler.parse import MAX_FOUND, Node, ParseError, set_in
from compiler.resolve import did_you_mean, leaf
from compiler.task import Training, keys
from stages.base import Diagnostic

MOST = 2_000  # points of one grid


@dataclass(frozen=True)
class Point:
    """One combination of values. `tree`: the task with them written in; `values`: key -> value, as they are swept."""

    tree: Node
    values: dict[str, Any]


def points(written: Node) -> list[Point]:
    """Every combination, in the order of the keys and values; the task itself where it sweeps nothing.

    Raises ParseError: T139 to T143 for what cannot be swept.
    """
    sweep = written.get("sweep")
    if sweep is None or not isinstance(sweep.value, dict) or not sweep.value:
        return [Point(written, {})]  # a wrong kind is `validate`'s to tell
    if found := [problem for key, node in sweep.value.items() for problem in _problems(key, node)]:
        raise ParseError(found[:MAX_FOUND])
    axes = [[(key, value) for value in node.value] for key, node in sweep.value.items()]
    if (many := _product(axes)) > MOST:
        message = f"{many:,} combinations; at most {MOST:,} are built"
        raise ParseError([Diagnostic("T143", message, sweep.key, help="sweep fewer values at once")])
    return [_point(written, dict(chosen)) for chosen in itertools.product(*axes)]


def _point(written: Node, chosen: dict[str, Node]) -> Point:
    tree = reduce(set_in, (leaf(key, node) for key, node in chosen.items()), written)
    return Point(tree, {key: node.plain() for key, node in chosen.items()})


def _product(axes: list[list[Any]]) -> int:
    return reduce(lambda many, axis: many * len(axis), axes, 1)


def _problems(key: str, node: Node) -> Iterator[Diagnostic]:
    known = [f"training.{name}" for name in keys(Training)]
    if key not in known:
        help = did_you_mean(key, known) or "sweep keys of `training`, such as training.lora.r"
        yield Diagnostic("T140", f"`{key}` cannot be swept", node.key, help=help)
    elif not isinstance(node.value, list):
        yield Diagnostic("T013", f"`{key}`: expected a list of values", node.span, help="write [8, 16]")
    elif not node.value:
        yield Diagnostic("T142", f"`{key}` has no value to try", node.span, help="write [8, 16], or remove the key")
    else:
        yield from _repeated(key, node)


def _repeated(key: str, node: Node) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for value in node.value:
        written = json.dumps(value.plain(), sort_keys=True)
        if written in seen:
            yield Diagnostic("T139", f"`{key}` tries {written} twice", value.span, help="keep one of them")
        seen.add(written)
