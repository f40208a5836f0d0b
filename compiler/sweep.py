"""`sweep:` -> the points to build. Each point is a task of its own; the graph of all of them is one.

    sweep: {training.lora.r: [8, 16], quantization: [q8_0, q4_k_m]}     a grid: every combination
    sweep: [{training.lora.r: 8}, {training.lora.r: 16, training.epochs: 2}]     these points and no others
    sweep: rank                                                         conf/sweep/rank.yaml, which holds either

Formats train nothing: points that differ in `quantization.formats` alone are one point with all of their formats.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any, NamedTuple

from compiler import quantizing
from compiler.parse import MAX_FOUND, Node, ParseError, parse_value, set_in
from compiler.resolve import did_you_mean, leaf
from compiler.task import Training, keys
from compiler.workspace import Preset, Workspace
from stages.diagnostics import Diagnostic

MOST = 500  # points of one sweep: more is a search, for which there is `hydra/sweeper=optuna`
FORMATS = quantizing.FORMATS
# What config groups are called on Hydra's command line, and the key that each of them sets.
SHORT = {"base_model": "training.base_model", "method": "training.method", "quantization": FORMATS}

Chosen = dict[str, Node]  # full key -> the value of one point


class Point(NamedTuple):
    """One combination of values. `tree`: the task with them written in; `values`: full key -> value, formats aside."""

    tree: Node
    values: dict[str, Any]


class Points(NamedTuple):
    """What a sweep comes to: its points, and what is to be said of them."""

    all: list[Point]
    warnings: tuple[Diagnostic, ...] = ()


def points(written: Node, workspace: Workspace) -> Points:
    """Every point, in the order of the keys and values; the task itself where it sweeps nothing.

    Raises ParseError: T013, T139, T140, T142, T143 and T500 for what cannot be swept.
    """
    sweep = _sweep(written, workspace)
    if sweep is None or not sweep.value:
        return Points([Point(written, {})])
    if found := list(itertools.islice(_problems(sweep), MAX_FOUND)):
        raise ParseError(found)
    chosen, again = _once(_combinations(sweep))
    return Points([_point(written, one) for one in _trained(chosen, workspace)], _told(again, sweep))


def full(key: str) -> str:
    """The key that a word of a sweep stands for."""
    return SHORT.get(key, key)


def swept_keys() -> list[str]:
    """Every key that a sweep may vary."""
    return [*(f"training.{name}" for name in keys(Training)), FORMATS]


# ---------------------------------------------------------------- what is written


def _sweep(written: Node, workspace: Workspace) -> Node | None:
    """The node that holds a grid or a list of points: the task's own, or that of the preset that it names."""
    sweep = written.get("sweep")
    if sweep is None or sweep.value is None:
        return None
    if isinstance(sweep.value, str):
        return _named(sweep, workspace)
    if not isinstance(sweep.value, dict | list):
        raise ParseError([_wrong_kind(sweep)])
    return sweep


def _named(sweep: Node, workspace: Workspace) -> Node | None:
    known: dict[str, Preset] = {}
    for layer in workspace.presets("sweep"):
        known |= layer
    preset = known.get(sweep.value)
    if preset is None:
        note = f"sweeps: {', '.join(sorted(known))}"
        help = did_you_mean(sweep.value, sorted(known)) or "choose one of these, or write conf/sweep/NAME.yaml"
        raise ParseError([Diagnostic("T500", f"unknown sweep `{sweep.value}`", sweep.span, (note,), help)])
    found = parse_value(preset.text, preset.file).get("sweep")
    if found is None or not isinstance(found.value, dict | list):
        raise ParseError([_wrong_kind(found or sweep)])
    return found


def _wrong_kind(node: Node) -> Diagnostic:
    help = "write {training.lora.r: [8, 16]}, a list of points, or the name of a file in conf/sweep/"
    return Diagnostic("T013", "`sweep`: expected a mapping, a list or a name", node.span, help=help)


def _combinations(sweep: Node) -> Iterator[Chosen]:
    if isinstance(sweep.value, list):
        yield from ({full(key): node for key, node in one.value.items()} for one in sweep.value)
        return
    axes = [[(full(key), value) for value in node.value] for key, node in sweep.value.items()]
    yield from map(dict, itertools.product(*axes))


def _once(combinations: Iterator[Chosen]) -> tuple[list[Chosen], list[Chosen]]:
    """Those that are not the same as one before them, and the others."""
    first: dict[str, Chosen] = {}
    again: list[Chosen] = []
    for chosen in combinations:
        written = _written(chosen)
        again += [chosen] if written in first else []
        first.setdefault(written, chosen)
    return list(first.values()), again


def _told(again: list[Chosen], sweep: Node) -> tuple[Diagnostic, ...]:
    if not again:
        return ()
    which = ", ".join(f"{key}={json.dumps(node.plain())}" for key, node in again[0].items()) or "the task as it stands"
    many = "a point stands" if len(again) == 1 else f"{len(again)} points stand"
    help = "remove what stands twice; each is built once"
    return (Diagnostic("T501", f"{many} twice in the sweep: {which}", sweep.span, help=help, severity="warning"),)


def _written(chosen: Mapping[str, Node]) -> str:
    return json.dumps({key: node.plain() for key, node in chosen.items()}, sort_keys=True)


# ---------------------------------------------------------------- points


def _trained(combinations: list[Chosen], workspace: Workspace) -> Iterator[Chosen]:
    """Points that are trained alike as one, which has the formats of all of them."""
    alike: dict[str, list[Chosen]] = {}
    for chosen in combinations:
        alike.setdefault(_written({key: node for key, node in chosen.items() if key != FORMATS}), []).append(chosen)
    for group in alike.values():
        formats = [node for chosen in group if (node := chosen.get(FORMATS))]
        if len(formats) == len(group):
            yield group[0] | {FORMATS: _joined(formats, workspace)}
        else:  # one takes the task's own formats, which only its presets may know
            yield from group


def _joined(formats: list[Node], workspace: Workspace) -> Node:
    """Several values of `quantization.formats`, each a name, a preset or a list of names, as one list."""
    names = [name for node in formats for name in quantizing.formats(node, workspace)]
    once = {json.dumps(name.plain()): name for name in reversed(names)}
    return Node(list(reversed(once.values())), formats[0].span, formats[0].key)


def _point(written: Node, chosen: Chosen) -> Point:
    tree = reduce(set_in, (leaf(key, node) for key, node in chosen.items()), written)
    return Point(tree, {key: node.plain() for key, node in chosen.items() if key != FORMATS})


# ---------------------------------------------------------------- what cannot be swept


def _problems(sweep: Node) -> Iterator[Diagnostic]:
    if isinstance(sweep.value, list):
        for one in sweep.value:
            if not isinstance(one.value, dict):
                help = "write {training.lora.r: 8, training.epochs: 2}"
                yield Diagnostic("T013", "a point of a sweep: expected a mapping", one.span, help=help)
            else:
                yield from _unknown(one.value)
        many = len(sweep.value)
    else:
        yield from _unknown(sweep.value)
        for key, node in sweep.value.items():
            yield from _no_values(key, node)
        lists = [node.value for node in sweep.value.values() if isinstance(node.value, list)]
        many = reduce(lambda product, values: product * len(values), lists, 1)
    if many > MOST:
        message = f"{many:,} combinations; at most {MOST:,} are built"
        help = "sweep fewer values at once, or search: `tunec sweep -m hydra/sweeper=optuna`"
        yield Diagnostic("T143", message, sweep.key or sweep.span, help=help)


def _unknown(mapping: Mapping[str, Node]) -> Iterator[Diagnostic]:
    known = swept_keys()
    for key, node in mapping.items():
        if full(key) not in known:
            help = did_you_mean(key, [*known, *SHORT]) or "sweep keys of `training`, or `quantization`"
            yield Diagnostic("T140", f"`{key}` cannot be swept", node.key, help=help)
        elif key in SHORT and SHORT[key] in mapping:
            help = f"keep `{SHORT[key]}`"
            yield Diagnostic("T139", f"`{key}` stands for `{SHORT[key]}`, which is swept too", node.key, help=help)


def _no_values(key: str, node: Node) -> Iterator[Diagnostic]:
    if not isinstance(node.value, list):
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
