"""What the section `cost` names: price lists, and prices that are needed of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from compiler.checks._check import CHOOSE, Found, Look, check
from compiler.costing import GATE, LABOUR, OWN
from compiler.prices import names, price_list
from compiler.resolve import did_you_mean

if TYPE_CHECKING:
    from compiler.costs import Cost

# The key -> the prices of which its list needs one whole group.
_NEEDED = {
    "against": (("prompted_input", "prompted_output"),),
    "teacher.provider": (("prompted_input", "prompted_output"),),
    "teacher.judge": (("prompted_input", "prompted_output"),),
    "judge.provider": (("prompted_input", "prompted_output"),),
    "train_on": (("machine",), ("training",)),
    "serve_on": (("machine",), ("tuned_input", "tuned_output")),
}


def _named(cost: Cost) -> Iterator[tuple[str, str]]:
    """(key, price list) of every list that a task names."""
    found = {"against": cost.against, "teacher.provider": cost.teacher.provider}
    found |= {"teacher.judge": cost.teacher.judge, "judge.provider": cost.judge.provider}
    found |= {"train_on": cost.train_on, "serve_on": cost.serve_on}
    yield from ((key, name) for key, name in found.items() if name is not None)


@check("T774")
def price_list_is_known(look: Look) -> Iterator[Found]:
    """A price list that neither tunec nor the workspace has.

    Choose one that the note lists, or write `conf/prices/NAME.yaml`.
    """
    known = [name for name in names(look.workspace) if name != LABOUR]
    for key, name in _named(look.task.cost) if look.task.cost else ():
        if name not in known:
            help = did_you_mean(name, known) or CHOOSE
            yield Found(f"unknown price list `{name}`", f"cost.{key}", help, f"price lists: {', '.join(known)}")


@check("T777")
def price_is_there(look: Look) -> Iterator[Found]:
    """A price list without the price that it is named for: a machine's hour has no price by the token.

    Name another list, or add the price to `conf/prices/NAME.yaml`.
    """
    for key, name in _named(look.task.cost) if look.task.cost else ():
        found = price_list(name, look.workspace)
        prices = {*(found.prices if found else ()), *(("machine",) if name in OWN else ())}
        if found and not any(prices.issuperset(group) for group in _NEEDED[key]):
            wanted = " or ".join(" and ".join(group) for group in _NEEDED[key])
            yield Found(f"`{name}` has no price of {wanted}", f"cost.{key}", "name another list, or add it there")


@check("T828", "warning")
def judge_is_asked(look: Look) -> Iterator[Found]:
    """`cost.judge.provider` or `cost.teacher.judge` where no such judge is asked, so nobody is paid by that list.

    Name a judge in `evaluation.judge`, or another one than the teacher in `generate.judge`; or remove the key.
    """
    cost, generate = look.task.cost, look.task.generate
    if cost and cost.judge.provider and not look.task.evaluation.judge:
        help = "remove it, or write `evaluation: {judge: …}`"
        yield Found("no judge is asked", "cost.judge.provider", help, key=True)
    if cost and cost.teacher.judge and not (generate and generate.judged_elsewhere):
        help = "remove it, or name another model in `generate.judge`"
        yield Found("no judge but the teacher itself looks at its rows", "cost.teacher.judge", help, key=True)


@check("T776")
def currency_is_one(look: Look) -> Iterator[Found]:
    """Price lists in several currencies: no rate of exchange is known here, so they cannot be added.

    Write your own lists in `conf/prices/`, all in one currency.
    """
    seen: dict[str, str] = {}
    for key, name in (*_named(look.task.cost), ("", LABOUR)) if look.task.cost else ():
        found = price_list(name, look.workspace)
        for price in found.prices.values() if found else ():
            first = next(iter(seen), price.currency)
            if price.currency != first and price.currency not in seen:
                message = f"the prices of `{name}` are in {price.currency}, those of `{seen[first]}` in {first}"
                note = f"`cost.{key}` is `{name}`" if key else f"hours of people are paid by `{name}`"
                help = "write both lists in one currency, in conf/prices/"
                yield Found(message, "", help, note, there=price.span)
            seen.setdefault(price.currency, name)


@check("T771")
def gate_has_a_price(look: Look) -> Iterator[Found]:
    """The gate cost_per_1000 without a price of an hour of the machine that serves.

    Write the section `cost`, with `hour` or a `serve_on` that has the price of a machine.
    """
    bound = look.task.success_criteria.gates.get(GATE, False)
    if isinstance(bound, bool):
        return
    cost = look.task.cost
    found = price_list(cost.serve_on, look.workspace) if cost else None
    said = cost is not None and cost.hour is not None and cost.serve_on in OWN
    if not said and (found is None or "machine" not in found.prices):
        help = "write `cost: {hour: 0.10}`, or `cost: {serve_on: own_cpu}`"
        message = f"the gate `{GATE}` needs the price of an hour of the machine that serves"
        yield Found(message, f"success_criteria.gates.{GATE}", help, key=True)
