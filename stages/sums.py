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


# What nothing tells before a build -> what would tell it.
UNTIL: Mapping[str, str] = {
    "seconds_per_request": "unknown until `tunec build` times its answers; or write cost.seconds_per_request",
    "training_hours": "unknown until `tunec build` has trained once; `tunec advise --measure` foretells it from a few "
    "steps, to be written as cost.training_hours",
    "evaluation_hours": "unknown until `tunec build` times the answers of every system",
    "output_tokens": "unknown until `tunec build` counts them; or write cost.output_tokens",
}


@dataclass(frozen=True)
class Figure:
    """value: None where it is unknown. low, high: between which it lies, where that is told."""

    value: float | None
    origin: Origin
    why: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """quantity x price = cost, in the price lists' currency. cost: None where a figure is unknown. low, high: between
    which the cost lies, where one of its figures tells so.
    """

    item: str
    quantity: float | None
    unit: str
    price: float | None
    cost: float | None
    origin: Origin
    why: str
    low: float | None = None
    high: float | None = None


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
        found = self.facts.get(name) or Figure(None, "unknown", UNTIL.get(name, NOTHING.why))
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
        telling = [figure for figure in figures if figure.value is None] or figures
        why = "; ".join(dict.fromkeys(figure.why for figure in telling if figure.why and figure.why != "task.yaml"))
        lacking = "" if price is not None or quantity is None or cost == 0.0 else "the price list names no such price"
        ends = (None, None) if cost is None or price is None else _ends(price, figures)
        return Line(item, quantity, unit, price, cost, weakest(*figures), note or lacking or why, *ends)


def _ends(price: float, figures: Sequence[Figure]) -> tuple[float | None, float | None]:
    """Between which the product lies; None twice where no figure tells of more than its value."""
    if all(figure.low is None or figure.high is None for figure in figures):
        return None, None
    lowest = (figure.low if figure.low is not None else figure.value for figure in figures)
    highest = (figure.high if figure.high is not None else figure.value for figure in figures)
    return tuple(price * math.prod(value or 0.0 for value in ends) for ends in (lowest, highest))  # type: ignore[return-value]


def weakest(*figures: Figure) -> Origin:
    return max((figure.origin for figure in figures), key=_SURE.index)
