"""Price lists: conf/prices/NAME.yaml, ours and the workspace's own above it.

    title: OpenAI
    currency: USD
    date: 2026-04-01            when these prices held
    source: where they stand, and whether they could be looked up
    kind: provider              or own (a machine), or labour
    leaves: true                whether rows and requests go to somebody else
    prices:
      training: {price: 5.00, unit: 1M tokens, of: gpt-4.1-mini}

Read with the parser of task.yaml, so that a mistake is told with its line. A list that says prices says its currency,
date and source beside them: what lies above it may not take another list's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any, NamedTuple

from compiler.parse import Node, ParseError, parse_value
from compiler.resolve import did_you_mean
from compiler.workspace import Workspace
from stages.diagnostics import Diagnostic, Span

# What is priced, and in which of the two measures. Prices are kept by the million tokens and by the hour.
PRICED = {
    "prompted_input": "tokens",
    "prompted_output": "tokens",
    "training": "tokens",
    "tuned_input": "tokens",
    "tuned_output": "tokens",
    "machine": "time",
    "engineering": "time",
    "review": "time",
}
UNITS: dict[str, tuple[str, float]] = {
    "1M tokens": ("tokens", 1.0),
    "1k tokens": ("tokens", 1000.0),
    "hour": ("time", 1.0),
    "day": ("time", 1 / 24),
    "month": ("time", 1 / 730),
}
_WORDS = {"currency": (r"[A-Z]{3}", "no three capitals, such as USD")}
_WORDS["kind"] = (r"provider|own|labour", "none of provider, own and labour")
_TEXTS = {"title", "privacy", "region", "models", "source", *_WORDS}
_KEYS = {*_TEXTS, "date", "leaves", "methods", "export", "prices"}
_BESIDE = ("currency", "date", "source")


class Price(NamedTuple):
    """value: of a million tokens, or of an hour. of: what is bought, such as a model."""

    value: float
    of: str
    currency: str
    date: str
    source: str
    span: Span


class PriceList(NamedTuple):
    """What one place asks. methods: those that it trains by. export: whether the weights come home. leaves: whether
    rows and requests go to somebody else; region: to where. models: which it trains. Both empty where nobody says.
    """

    name: str
    title: str = ""
    kind: str = "provider"
    privacy: str = ""
    region: str = ""
    models: str = ""
    leaves: bool = True
    methods: tuple[str, ...] = ()
    export: bool = False
    prices: Mapping[str, Price] = MappingProxyType({})

    def price(self, name: str) -> float | None:
        found = self.prices.get(name)
        return found.value if found else None


def names(workspace: Workspace) -> list[str]:
    return sorted({name for layer in workspace.presets("prices") for name in layer})


def price_list(name: str, workspace: Workspace) -> PriceList | None:
    """The list of this name; None where there is none. Raises ParseError: T772 and T773 for what is no price list."""
    found: PriceList | None = None
    for layer in workspace.presets("prices"):
        if preset := layer.get(name):
            node = parse_value(preset.text, preset.file)
            if problems := list(_problems(node)):
                raise ParseError(problems)
            found = _above(found or PriceList(name, name), node)
    return found


def _above(below: PriceList, node: Node) -> PriceList:
    """A list with what another file says of it. Prices in another currency leave none of those below."""
    said = {key: value for key, value in node.plain().items() if key in PriceList._fields}
    prices = {name: _price(one, node) for name, one in node.value["prices"].value.items()} if "prices" in said else {}
    currency = {price.currency for price in prices.values()}
    kept = {name: price for name, price in below.prices.items() if not currency or {price.currency} == currency}
    methods = tuple(said.get("methods", below.methods))
    known = {key: value for key, value in below._asdict().items() if key not in said}
    return PriceList(**{**known, **said, "methods": methods, "prices": {**kept, **prices}})


def _price(node: Node, of: Node) -> Price:
    said, beside = node.plain(), of.plain()
    value = float(said["price"]) * UNITS[said["unit"]][1]
    words = (beside["currency"], beside["date"], beside["source"])
    return Price(value, str(said.get("of", "")), *words, (node.key or node.span))


# ---------------------------------------------------------------- what is no price list


def _problems(node: Node) -> Iterator[Diagnostic]:
    if not isinstance(node.value, dict):
        yield Diagnostic("T773", "a price list is a mapping of keys to values", node.span, help=_SHAPE)
        return
    for key, value in node.value.items():
        if key not in _KEYS:
            help = did_you_mean(key, sorted(_KEYS)) or "remove it"
            yield Diagnostic("T773", f"a price list has no key `{key}`", value.key, help=help)
        elif wrong := _wrong(key, value):
            yield Diagnostic("T773", f"`{key}` of a price list is {wrong}", value.span, help=_SHAPE)
    prices = node.value.get("prices")
    if prices is None or not isinstance(prices.value, dict):
        return
    for key in _BESIDE:
        if key not in node.value:
            message = f"prices without a `{key}`"
            yield Diagnostic("T773", message, prices.key, help=f"write the {key} beside the prices")
    for name, one in prices.value.items():
        yield from _price_problems(name, one)


def _wrong(key: str, node: Node) -> str | None:
    value: Any = node.value
    if key in _TEXTS:
        pattern, wrong = _WORDS.get(key, (r"(?s).*\S.*", "no text"))
        return None if isinstance(value, str) and re.fullmatch(pattern, value) else wrong
    if key == "date":
        return None if isinstance(value, str) and _day(value) else "no day, such as 2026-04-01"
    if key in ("leaves", "export"):
        return None if isinstance(value, bool) else "neither true nor false"
    if key == "methods":
        texts = isinstance(value, list) and all(isinstance(one.value, str) for one in value)
        return None if texts else "no list of methods"
    return None if isinstance(value, dict) else "no mapping"


def _price_problems(name: str, node: Node) -> Iterator[Diagnostic]:
    if name not in PRICED:
        note = f"prices: {', '.join(PRICED)}"
        yield Diagnostic(
            "T773", f"unknown price `{name}`", node.key, (note,), did_you_mean(name, [*PRICED]) or "remove it"
        )
        return
    if not isinstance(node.value, dict) or not _amount(node.value.get("price")):
        yield Diagnostic("T773", f"the price `{name}` is no amount", node.key, help=_SHAPE)
        return
    unit, fitting = node.value.get("unit"), [unit for unit, (kind, _) in UNITS.items() if kind == PRICED[name]]
    if unit is None or unit.value not in fitting:
        what = "has no unit" if unit is None else f"cannot be by the `{unit.value}`"
        at = node.key if unit is None else unit.span
        yield Diagnostic(
            "T772", f"the price `{name}` {what}", at, help=f"write `unit:` and one of: {', '.join(fitting)}"
        )


def _amount(node: Node | None) -> bool:
    value = node.value if node else None
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


_SHAPE = "see conf/prices/openai.yaml, or docs/cost.md"
