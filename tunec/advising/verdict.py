"""From signals to an approach, by the rules of tables/approaches.yaml; and which signal would turn it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_TABLE = Path(__file__).parent / "tables" / "approaches.yaml"
_HELPS = 4  # points from which on another approach is worth naming beside the first
# Values that a signal might have instead, to see what would turn the verdict.
_OTHERWISE: Mapping[str, tuple[Any, ...]] = {
    "rows": (30, 80, 300, 3_000),
    "volume": (1_000, 500_000),
    "changes": ("weekly", "never"),
    "knowledge": (True, False),
    "pain": (["format"], ["cost"], ["none"]),
    "teacher": (True,),
    "pairs": (True,),
    "data_may_leave": (False,),
    "linear_reaches": (True,),
    "prompt_reaches": (True,),
    "tuned_reaches": (True, False),
    "as_good": ("none", "linear", "prompting"),
}


@dataclass(frozen=True)
class Rule:
    """One line of the table. holds: None where a signal that it asks for is not known."""

    id: str
    approach: str
    says: str
    source: str
    points: float
    stops: bool
    when: Mapping[str, Any]

    def holds(self, values: Mapping[str, Any]) -> bool | None:
        known = [_meets(values.get(name), wanted) for name, wanted in self.when.items()]
        return False if False in known else None if None in known else True


@dataclass(frozen=True)
class Verdict:
    """approach: the best by its points. reasons: the rules that hold, for or against it and the others. beside: what
    else is worth it. turns: (signal, value, approach) that would change it. unknown: signals that a rule asks for.
    """

    approach: str
    points: Mapping[str, float]
    reasons: tuple[Rule, ...]
    beside: tuple[str, ...]
    turns: tuple[tuple[str, Any, str], ...]
    unknown: tuple[str, ...]


@cache
def table() -> dict[str, Any]:
    from stages.rows import read_yaml

    return dict(read_yaml(_TABLE))


@cache
def rules() -> tuple[Rule, ...]:
    return tuple(
        Rule(r["id"], r["for"], r["says"], r["from"], r.get("points", 0), r.get("stops", False), r["when"])
        for r in table()["rules"]
    )


def judge(values: Mapping[str, Any]) -> Verdict:
    """values: signal -> value, None where it is not known."""
    points, approach = _points(values)
    turns = []
    for name, others in _OTHERWISE.items():
        for other in others:
            if other != values.get(name) and (to := _points({**values, name: other})[1]) != approach:
                turns.append((name, other, to))
    holding = tuple(rule for rule in rules() if rule.holds(values))
    beside = tuple(name for name, many in points.items() if many >= _HELPS and name != approach)
    unknown = dict.fromkeys(name for rule in rules() for name in rule.when if values.get(name) is None)
    return Verdict(approach, points, holding, beside, tuple(turns), tuple(unknown))


def _points(values: Mapping[str, Any]) -> tuple[dict[str, float], str]:
    """Points of every approach that nothing stops; of equals, the one that costs less, which stands first."""
    found = dict.fromkeys(table()["approaches"], 0.0)
    holding = [rule for rule in rules() if rule.holds(values)]
    for rule in holding:
        found[rule.approach] += rule.points
    stopped = {rule.approach for rule in holding if rule.stops}
    found = {name: many for name, many in found.items() if name not in stopped}
    return found, max(found, key=lambda name: found[name])


def _meets(value: Any, wanted: Any) -> bool | None:
    if value is None:
        return None
    if isinstance(wanted, Mapping):
        return bool(value < wanted.get("below", float("inf")) and value >= wanted.get("from", float("-inf")))
    if isinstance(wanted, list):
        return bool(set(value) & set(wanted)) if isinstance(value, list) else value in wanted
    return bool(value == wanted)


def sources() -> Iterator[tuple[str, str]]:
    yield from table()["sources"].items()
