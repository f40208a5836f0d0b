"""What the compiler must know of a training method or an adapter, read out of its module without running it.

A method's module reaches the whole of training, and `tunec check` needs no more of it than three literals. A test holds
them against the members themselves.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Facts(NamedTuple):
    """rows: the shape that a method learns from, none of an adapter. keys: those of `training` that it alone reads."""

    name: str
    rows: str | None
    keys: tuple[str, ...]


@cache
def methods() -> Mapping[str, Facts]:
    """The facts of every stages/methods/ member, by name."""
    return {facts.name: facts for facts in _facts("methods", "METHOD")}


@cache
def adapters() -> Mapping[str, Facts]:
    """The facts of every stages/adapters/ member, by name."""
    return {facts.name: facts for facts in _facts("adapters", "ADAPTER")}


@cache
def data_gates() -> Mapping[str, tuple[str, ...]]:
    """What every stages/data_gates/ member can do, by name."""
    return {name: actions for name, _, actions in _data_gates()}


@cache
def standing_actions() -> Mapping[str, str]:
    """What every stages/data_gates/ member does where a task says nothing, by name."""
    return {name: action for name, action, _ in _data_gates()}


def _data_gates() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(name, what it does by itself, what it can do)."""
    for file in sorted((Path(__file__).parent / "data_gates").glob("*.py")):
        call = _assigned(ast.parse(file.read_text(encoding="utf-8"))).get("DATA_GATE")
        if isinstance(call, ast.Call):
            name, action = (str(ast.literal_eval(call.args[place])) for place in (0, 2))
            yield name, action, _actions(call)


def _actions(call: ast.Call) -> tuple[str, ...]:
    given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg == "actions"}
    return tuple(given.get("actions", ("reject", "warn", "off")))


def _facts(folder: str, constant: str) -> Iterator[Facts]:
    files = sorted((Path(__file__).parent / folder).glob("*.py"))
    modules = {file.stem: _assigned(ast.parse(file.read_text(encoding="utf-8"))) for file in files}
    for module, assigned in modules.items():
        made = assigned.get(constant)
        if isinstance(made, ast.Call):
            name, *others = [_literal(argument, module, modules) for argument in made.args] or [None]
            rows = next((value for value in others[1:] if isinstance(value, str)), None)
            keys = next((value for value in others if isinstance(value, tuple)), None)
            if not isinstance(name, str) or keys is None:
                raise RuntimeError(f"stages/{folder}/{module}.py: write {constant} with its name and keys as literals")
            yield Facts(name, rows, keys)


def _assigned(module: ast.Module) -> dict[str, ast.expr]:
    """The values that the module gives its names."""
    found: dict[str, ast.expr] = {}
    for node in module.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                found[name] = value
    return found


def _literal(value: ast.expr, module: str, modules: Mapping[str, Mapping[str, ast.expr]]) -> object:
    """A literal, or what `NAME` or `sibling.NAME` stands for that is given one; None for anything else."""
    match value:
        case ast.Name(id=name):
            value = modules[module].get(name, value)
        case ast.Attribute(value=ast.Name(id=sibling), attr=name) if sibling in modules:
            value = modules[sibling].get(name, value)
    try:
        return ast.literal_eval(value)
    except ValueError:
        return None
