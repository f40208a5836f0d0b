"""Jinja for the chat templates of base models: what a template may not touch, and how much it may make.

Jinja's own sandbox keeps a template from the machine, but not from its memory: `'a' * 10**9` is one step, which no
deadline can interrupt. So a text or list is bounded at every place where a template can make a longer one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from functools import partial
from typing import Any

from jinja2 import Environment, nodes
from jinja2.ext import loopcontrols
from jinja2.runtime import Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from stages.rows import dumps

LIMIT = 10_000_000  # characters of a text, items of a list
_VALUES = 100_000  # in a structure that is written out
_SMALL = 10**6
_TODAY = date(2025, 1, 1)  # for templates that write a date (Llama 3, SmolLM3): the same prompt on every day
_FILTERS = (
    "abs capitalize count d default dictsort e escape first float groupby int items join last length list lower "
    "map max min reject rejectattr replace reverse round safe select selectattr sort string striptags title tojson "
    "trim unique upper"
)
_GLOBALS = frozenset({"dict", "namespace", "range"})
_GROWING = ("center", "expandtabs", "format", "format_map", "join", "ljust", "replace", "rjust", "translate", "zfill")


class Sandbox(ImmutableSandboxedEnvironment):
    """Raises ValueError where a step would go over a bound."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    @staticmethod
    def concat(pieces: Iterable[str]) -> str:
        """How Jinja puts a template's, a macro's or a block's output together."""
        return _joined(list(pieces))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" or (operator == "*" and not _both_small(left, right)):
            raise ValueError(f"a chat template may not use {operator!r} on large or non-numeric values")
        if operator == "%" and isinstance(left, str):
            raise ValueError("a chat template may not format with '%'")
        if operator == "+" and hasattr(left, "__len__") and hasattr(right, "__len__"):
            _bound(len(left) + len(right))
        return super().call_binop(context, operator, left, right)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, str) and attribute in _METHODS:
            return partial(_METHODS[attribute], obj)
        return self._unsafe(obj, attribute) or super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return self._unsafe(obj, argument) or super().getitem(obj, argument)

    def _unsafe(self, obj: Any, name: Any) -> Any:
        """What stands for a method that may not be used: calling it raises. None for any other name."""
        growing = isinstance(obj, str) and isinstance(name, str) and name in _GROWING
        return partial(_refuse, f"a chat template may not use {name!r} on a text") if growing else None


class _Concatenations(NodeTransformer):
    """`a ~ b` as a filter, for Jinja lets no one look at it otherwise."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 (Jinja's name)
        self.generic_visit(node)
        return nodes.Filter(nodes.List(node.nodes), "joined", [], [], None, None, lineno=node.lineno)


def compiled(source: str) -> Any:
    """The template, ready to render with `messages` and the rest."""
    env = Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols], finalize=_written)
    env.filters = {name: env.filters[name] for name in _FILTERS.split()}
    env.filters |= {"tojson": _json, "replace": _replaced, "join": _join, "string": _string, "joined": _joined}
    env.globals = {name: env.globals[name] for name in _GLOBALS}
    env.globals |= {"raise_exception": _refuse, "strftime_now": _TODAY.strftime}
    return Environment.from_string(env, _Concatenations().visit(env.parse(source)))


def _refuse(message: str, *_: Any, **__: Any) -> None:
    raise ValueError(message)


def _bound(size: int) -> None:
    if size > LIMIT:
        raise ValueError(f"a chat template may not make more than {LIMIT:,} characters or items")


def _written(value: Any) -> Any:
    """A value that is to be written out: not one of lists within lists that doubles at every level."""
    waiting, count = [value], 0
    while waiting:
        part = waiting.pop()
        count += 1
        if count > _VALUES:
            raise ValueError("a chat template may not write a structure of that size")
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list | tuple):
            waiting += part
    return value


def _string(value: Any) -> str:
    return str(_written(value))


def _json(value: Any, **options: Any) -> str:
    return dumps(_written(value))


def _joined(parts: Iterable[Any], between: str = "") -> str:
    texts = [part if isinstance(part, str) else _string(part) for part in parts]
    _bound(sum(map(len, texts)) + len(between) * len(texts))
    return between.join(texts)


def _join(parts: Any, d: str = "", attribute: Any = None) -> str:
    """The filter, with Jinja's names. An Undefined has no parts."""
    taken = parts if attribute is None else [part[attribute] for part in parts]
    return "" if isinstance(taken, Undefined) else _joined(taken, str(d))


def _replaced(text: Any, old: str, new: str, count: int | None = None) -> str:
    text = _string(text)
    _bound(len(text) + text.count(old) * len(new))
    return str(text).replace(old, new, -1 if count is None else count)


def _method_join(between: str, parts: Iterable[Any]) -> str:
    return _joined(parts, between)


_METHODS: dict[str, Callable[..., str]] = {"replace": _replaced, "join": _method_join}


def _both_small(left: Any, right: Any) -> bool:
    return all(isinstance(side, int | float) and abs(side) < _SMALL for side in (left, right))
