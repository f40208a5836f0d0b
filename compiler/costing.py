"""What the stages `cost` and `gate` get of the section `cost`: the terms as they are written, and the prices that they
come to. Nothing where the task has no such section, so that a price changes no build that does not speak of it.
"""

from __future__ import annotations

from typing import Any

from compiler.costs import Cost
from compiler.prices import PriceList, price_list
from compiler.task import Task
from compiler.workspace import Workspace

LABOUR = "labour"
GATE = "cost_per_1000"
# What names a price list or a price, and what no sum needs.
_NO_TERMS = ("against", "train_on", "serve_on", "hour", "teacher", "judge", "review", "data_may_leave")
OWN = ("own_cpu", "own_gpu")


def costing(task: Task, workspace: Workspace, bound: Any) -> dict[str, Any] | None:
    """{terms, rates, gate_hour}: the last is an hour's price where the gate stands. bound: the gate's, None without it.

    Raises ParseError for a price list that is none.
    """
    if task.cost is None:
        return None
    said = task.cost.model_dump()
    terms = {key: value for key, value in said.items() if key not in _NO_TERMS}
    terms |= {"teacher_rows": task.cost.teacher.rows}
    terms |= {f"review_{key}": value for key, value in said["review"].items()}
    terms = {key: value for key, value in terms.items() if value is not None}
    found = rates(task, workspace)
    return {"terms": terms, "rates": found, "gate_hour": found["serve"].get("machine") if bound is not None else None}


def rates(task: Task, workspace: Workspace) -> dict[str, Any]:
    """{currency, against, train, serve, labour, and who is asked elsewhere}: each {title, list, NAME: price}.

    unnamed: the key that would say by which list somebody is paid, where nothing says it.
    """
    cost = task.cost
    if cost is None:
        raise RuntimeError("a task without the section `cost` has no rates")
    places = {
        "against": (cost.against, ("prompted_input", "prompted_output")),
        "train": (cost.train_on, ("machine", "training")),
        "serve": (cost.serve_on, ("machine", "tuned_input", "tuned_output")),
        "labour": (LABOUR, ("engineering", "review")),
    }
    asked = asked_elsewhere(task, cost)
    places |= {who: (name or cost.against, ("prompted_input", "prompted_output")) for who, (_, name) in asked.items()}
    lists = {part: price_list(name, workspace) or PriceList(name, name) for part, (name, _) in places.items()}
    found = {part: _rate(lists[part], wanted, cost.hour) for part, (_, wanted) in places.items()}
    currency = next((price.currency for of in lists.values() for price in of.prices.values()), None)
    for who in (who for who, (_, name) in asked.items() if name is None):
        found[who]["unnamed"] = asked[who][0]
    return {"currency": currency, **found}


def asked_elsewhere(task: Task, cost: Cost) -> dict[str, tuple[str, str | None]]:
    """Who is asked by the token to make the model -> the key of the price list that it is paid by, and that list."""
    found = {"teacher": ("cost.teacher.provider", cost.teacher.provider)}
    if task.generate and task.generate.judged_elsewhere:
        found["row_judge"] = ("cost.teacher.judge", cost.teacher.judge)
    if task.evaluation.judge:
        found["judge"] = ("cost.judge.provider", cost.judge.provider)
    return found


def _rate(of: PriceList, wanted: tuple[str, ...], hour: float | None) -> dict[str, Any]:
    prices = {name: of.prices[name].value for name in wanted if name in of.prices}
    if of.name in OWN and hour is not None and "machine" in wanted:
        prices["machine"] = hour
    bought = next((of.prices[name].of for name in prices if name in of.prices and of.prices[name].of), "")
    days = {"date": min(of.prices[name].date for name in known)} if (known := prices.keys() & of.prices.keys()) else {}
    return {"list": of.name, "title": of.title, "of": bought, **days, **prices}
