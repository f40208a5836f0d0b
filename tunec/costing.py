"""`tunec cost`: what the model costs and saves, from the build, from how long it took, and from conf/prices/.

It works before anything is built, too: what was not measured is a marked assumption, or unknown and named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from compiler import Compiled
from compiler.costing import LABOUR, OWN, asked_elsewhere
from compiler.costs import Cost
from compiler.parse import ParseError
from compiler.prices import PriceList, names, price_list
from compiler.task import Task
from stages import history
from stages.base import READ
from stages.bill import hosting, training, tuned_request
from stages.cost import CostParams, Inputs, facts, otherwise, told
from stages.diagnostics import Diagnostic, UserError
from stages.rows import read_json
from stages.sums import Figure, Sums
from tunec.compiling import compile_workspace
from tunec.dates import today
from tunec.foretelling import foretold
from tunec.workspace import Disk

OLD = 180  # days
_WEIGHTS_NEEDED = ("huggingface", "ollama", "local")  # deploy targets that a model without weights cannot have
_COUNTED = ("train", "before", "predict", "test", "baseline")  # what the bill has lines of its own for


@dataclass(frozen=True)
class Costs:
    """bill: what stages.cost tells, with this machine's hours. providers: the same task at each of them, the names of
    price lists in order. lists: those that the bill's prices are from.
    """

    task: str
    bill: Mapping[str, Any]
    providers: list[dict[str, Any]]
    lists: list[PriceList]
    warnings: list[Diagnostic]

    def json(self) -> dict[str, Any]:
        sources = [_source(of) for of in self.lists]
        return {"task": self.task, **self.bill, "providers": self.providers, "prices": sources}


def look(root: Path, overrides: list[str]) -> Costs:
    """Raises UserError: what the compiler says of the task, T772 and T773 for a price list that is none."""
    compiled = compile_workspace(root, overrides)
    if compiled.task.cost is None:
        compiled = compile_workspace(root, [*overrides, "cost={}"])
    cost = compiled.task.cost or Cost()
    instance = compiled.plan["cost"]
    inputs = Inputs(**{name: _below(root, given) for name, given in instance.inputs.items()})
    params = CostParams(**{key: value for key, value in instance.params.items() if key != READ})
    known = facts(inputs, params) | _hours(root, compiled, inputs)
    if "tuned_tokens" not in known or "output_tokens" not in known:  # nothing was built, or not all of it
        sure = {name: figure for name, figure in known.items() if figure.origin != "assumed"}
        known = known | foretold(root, compiled, params) | sure
    disk = Disk(root)
    try:
        lists = {name: found for name in names(disk) if (found := price_list(name, disk))}
    except ParseError as error:
        raise UserError(*error.diagnostics) from None
    used = [lists[name] for name in dict.fromkeys(_used(compiled.task, cost)) if name in lists]
    sums = Sums(known, params.terms, params.rates)
    providers = [_provider(of, sums, compiled, cost) for of in lists.values() if of.name != LABOUR]
    warnings = [warning for of in used if (warning := _age_warning(of))]
    return Costs(compiled.task.task_name, told(known, inputs, params), providers, used, warnings)


def _used(task: Task, cost: Cost) -> Iterator[str]:
    yield from (
        cost.against,
        *(name or cost.against for _, name in asked_elsewhere(task, cost).values()),
        cost.train_on,
        cost.serve_on,
        LABOUR,
    )


def _below(root: Path, given: Any) -> Any:
    if isinstance(given, dict):
        return {label: root / path for label, path in given.items()}
    return root / given


# ---------------------------------------------------------------- how long it took here


def _hours(root: Path, compiled: Compiled, inputs: Inputs) -> dict[str, Figure]:
    """What the last runs took on this machine: the chosen variant's training, and every stage without a line."""
    took = {one.name: history.recall(root, one.name).runs[-1:] for one in compiled.plan.instances}
    seconds = {name: runs[0].seconds for name, runs in took.items() if runs}
    kinds = {one.name: one.stage.name for one in compiled.plan.instances}
    trained = [seconds[name] for name in _trainings(compiled, inputs) if name in seconds]
    others = [seconds[name] for name in seconds if kinds[name] not in _COUNTED]
    found = {}
    if trained:
        found["training_hours"] = Figure(sum(trained) / 3600, "measured", "what the last run took here")
    if others:
        found["other_hours"] = Figure(sum(others) / 3600, "measured", "what the last runs took here")
    return found


def _trainings(compiled: Compiled, inputs: Inputs) -> list[str]:
    """The chosen variant's training, and one that is done first; of a sweep that chose none, the first variant's."""
    chosen = str(otherwise(lambda: read_json(inputs.choice)["variant"], compiled.variants[0].slug))
    first = next((one.first for one in compiled.variants if one.slug == chosen and one.first), None)
    return [f"train-{chosen}", *([f"before-{first}"] if first else [])]


# ---------------------------------------------------------------- side by side


def _provider(of: PriceList, sums: Sums, compiled: Compiled, cost: Cost) -> dict[str, Any]:
    """This task at one place: what a training and a month cost there, and what speaks against it."""
    prices = {name: price.value for name, price in of.prices.items()}
    if of.name in OWN and cost.hour is not None:
        prices["machine"] = cost.hour
    there = Sums(_elsewhere(sums, of, cost), sums.terms, {**sums.rates, "train": prices, "serve": prices})
    trained = training(there, Figure(1.0, "given"))
    by_token = "tuned_input" in prices
    requests = there.figure("requests_per_month")
    price, each_request = tuned_request(there)
    month = there.line("hosting", "requests", price, requests, each_request) if by_token else _hosted(there, prices)
    each = None if month.cost is None or not requests.value else 1000 * month.cost / requests.value
    against = list(speaks_against(of, compiled, cost))
    return {
        "name": of.name,
        "title": of.title,
        "training": trained.cost,
        "training_origin": trained.origin,
        "month": month.cost,
        "month_origin": month.origin,
        "per_1000": each,
        "privacy": of.privacy,
        "region": of.region,
        "models": of.models,
        "methods": list(of.methods),
        "export": of.export,
        "fits": not against,
        "against": against,
        **_dated(of),
    }


def _hosted(there: Sums, prices: Mapping[str, float]) -> Any:
    hour = prices.get("machine")
    return hosting(there, hour) if hour is not None else there.line("hosting", "hours", None, Figure(None, "unknown"))


def _elsewhere(sums: Sums, of: PriceList, cost: Cost) -> dict[str, Figure]:
    """Seconds and hours were measured on one machine: on another they are assumed to be the same."""
    if of.name == cost.serve_on == cost.train_on:
        return dict(sums.facts)
    timed = {"seconds_per_request", "training_hours"}
    return {name: _assumed(one) if name in timed else one for name, one in sums.facts.items()}


def _assumed(figure: Figure) -> Figure:
    return Figure(figure.value, "assumed", "taken to be as quick as the machine that built it")


def speaks_against(of: PriceList, compiled: Compiled, cost: Cost) -> Iterator[str]:
    method, target = compiled.task.training.method, compiled.task.versioning.deploy_target
    if of.leaves and cost.data_may_leave is False:
        yield "data may not leave"
    if method not in of.methods:
        yield f"does not train by {method}"
    if not of.export and target in _WEIGHTS_NEEDED:
        yield f"no weights for deploy_target {target}"


# ---------------------------------------------------------------- how old prices are


def _dated(of: PriceList) -> dict[str, Any]:
    dates = [price.date for price in of.prices.values()]
    oldest = min(dates, default=None)
    return {"date": oldest, "old": oldest is not None and _days(oldest) > OLD}


def _days(day: str) -> int:
    return (today() - date.fromisoformat(day)).days


def _source(of: PriceList) -> dict[str, Any]:
    sources = sorted({price.source for price in of.prices.values()})
    return {"name": of.name, "title": of.title, **_dated(of), "sources": sources}


def _age_warning(of: PriceList) -> Diagnostic | None:
    stale = [price for price in of.prices.values() if _days(price.date) > OLD]
    if not stale:
        return None
    oldest = min(stale, key=lambda price: price.date)
    message = f"the prices of {of.title} are of {oldest.date}, {_days(oldest.date)} days ago"
    help = f"look them up, and write them into conf/prices/{of.name}.yaml of this folder, with the day"
    return Diagnostic("T775", message, oldest.span, help=help, severity="warning")


def hour(compiled: Compiled) -> tuple[float | None, str]:
    """The price of an hour of the machine that trains, where the section `cost` says one, and its currency."""
    rates = compiled.variants[0].lookup("costing.rates")
    return (rates["train"].get("machine"), rates["currency"] or "") if rates else (None, "")
