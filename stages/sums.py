"""Quantities with where they come from, and their products with prices: what a bill is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Origin = Literal["given", "measured", "estimated", "assumed", "unknown"]
_SURE: tuple[Origin, ...] = ("given", "measured", "estimated", "assumed", "unknown")  # the surest first


ASSUMED: Mapping[str, tuple[float, str]] = {
    "requests_per_month": (100_000, "from where fine-tuning is usually worth its price; yours is yours to say"),
    "utilization": (0.5, "a machine that is busy half of the time answers without a queue"),
    "iterations": (3, "two to three rounds are usual until a model is right"),
    "review_rows": (100, "a hundred rows read by a person is the least before training"),
    "review_minutes": (1, "a minute a row"),
    "engineering_hours": (8, "a day from rows to a release"),
    "maintenance_hours": (1, "an hour a month to look after it"),
}


@dataclass(frozen=True)
class Figure:
    """value: None where it is unknown."""

    value: float | None
    origin: Origin
    why: str = ""


@dataclass(frozen=True)
class Line:
    """quantity x price = cost, in the price lists' currency. cost: None where a figure is unknown."""

    item: str
    quantity: float | None
    unit: str
    price: float | None
    cost: float | None
    origin: Origin
    why: str


NOTHING = Figure(None, "unknown", "neither measured nor said")
Facts = Mapping[str, Figure]


@dataclass(frozen=True)
class Sums:
    """Everything that a bill is made from. terms: the section `cost`; rates: prices by where they are paid."""

    facts: Facts
    terms: Mapping[str, Any]
    rates: Mapping[str, Any]

    def figure(self, name: str) -> Figure:
        """A quantity, from the surest that there is."""
        if self.terms.get(name) is not None:
            return Figure(float(self.terms[name]), "given", "task.yaml")
        found = self.facts.get(name, NOTHING)
        if found.value is None and name in ASSUMED:
            value, why = ASSUMED[name]
            return Figure(value, "assumed", why)
        return found

    def rate(self, part: str, name: str) -> float | None:
        found = self.rates.get(part, {}).get(name)
        return None if found is None else float(found)

    def line(self, item: str, unit: str, price: float | None, *figures: Figure, note: str = "") -> Line:
        """The product of the figures, times the price."""
        values = [figure.value for figure in figures]
        quantity = None if None in values else math.prod(value for value in values if value is not None)
        cost = 0.0 if quantity == 0 else None if quantity is None or price is None else quantity * price
        why = "; ".join(dict.fromkeys(figure.why for figure in figures if figure.why and figure.why != "task.yaml"))
        lacking = "" if price is not None or cost == 0.0 else _lacking(figures)
        return Line(item, quantity, unit, price, cost, weakest(*figures), note or lacking or why)


def _lacking(figures: Sequence[Figure]) -> str:
    """What there is no price for want of: a request's hangs on its tokens, and else it is the list's to name."""
    unknown = (figure.why for figure in figures if figure.value is None and figure != NOTHING)
    return "; ".join(dict.fromkeys(filter(None, unknown))) or "the price list names no such price"


def weakest(*figures: Figure) -> Origin:
    return max((figure.origin for figure in figures), key=_SURE.index)
