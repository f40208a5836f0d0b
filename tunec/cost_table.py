"""`tunec cost` as a person reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stages.breakeven import money
from stages.counting import counted
from stages.wording import tame

if TYPE_CHECKING:
    from tunec.costing import Costs

_MARKS = {
    "given": "given",
    "measured": "measured",
    "estimated": "estimated",
    "assumed": "ASSUMED",
    "unknown": "UNKNOWN",
}
_CAPTION = (
    "~ hangs on an assumption: those below, and that every machine is as quick as the one that built it. What was "
    "tuned elsewhere was not measured here. Per 1,000 requests; weights: whether they come home."
)


def show(costs: Costs, console: Console) -> None:
    """The experiment, a month of both, what comes back; then providers side by side, and what was assumed. A table has
    figures alone, so that it fits a terminal of 80 columns; what they are from stands below it.
    """
    console.print(items(costs.bill), soft_wrap=False)
    _below(grounds(costs.bill), console)
    console.print()
    console.print(providers(costs), soft_wrap=False)
    _below((_CAPTION, *terms(costs.providers)), console)
    console.print()
    _below(conclusions(costs.bill), console, indent="")
    console.print()
    _below(sources(costs), console, indent="")


def _below(lines: Iterable[str], console: Console, indent: str = "  ") -> None:
    for line in lines:
        for part in wrap(tame(line), console.width, initial_indent=indent, subsequent_indent=f"{indent}  "):
            console.print(part, style="dim" if indent else None, highlight=False, markup=False)


def items(bill: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "quantity", "price", bill["currency"] or "cost", "figures"):
        table.add_column(name, justify="right" if name in ("price", bill["currency"]) else "left")
    parts = {
        "the experiment": bill["experiment"],
        "a month, tuned": bill["monthly"]["tuned"],
        "a month, prompted": bill["monthly"]["prompted"],
    }
    for title, part in parts.items():
        table.add_row(f"[bold]{title}[/]")
        for line in part["items"]:
            table.add_row(*_line(line))
        more = "" if part["complete"] else " of what is known"
        table.add_row(f"  total{more}", "", "", f"[bold]{money(part['total'])}[/]", end_section=True)
    return table


def _line(line: Mapping[str, Any]) -> tuple[str, ...]:
    unit = line["unit"].removesuffix("s") if line["quantity"] == 1 else line["unit"]
    quantity = "" if line["quantity"] is None else f"{_number(line['quantity'])} {unit}"
    price = "" if line["price"] is None else f"{line['price']:.4g}"
    return (f"  {line['item']}", quantity, price, money(line["cost"]), _MARKS[line["origin"]])


def grounds(bill: Mapping[str, Any]) -> Iterator[str]:
    """What each figure is from, and between which it lies; of figures that have it in common, once."""
    parts = (bill["experiment"], bill["monthly"]["tuned"], bill["monthly"]["prompted"])
    named: dict[str, list[str]] = {}
    for line in (line for part in parts for line in part["items"]):
        why = "; ".join(filter(None, (_between(line, bill["currency"]), line["why"])))
        named.setdefault(why, []).append(line["item"])
    yield from (f"{', '.join(of)}: {why}" for why, of in named.items() if why)


def _between(line: Mapping[str, Any], currency: str | None) -> str:
    """`12 to 20 USD`; nothing where no more is told than the figure."""
    return "" if line["low"] is None else f"{money(line['low'])} to {money(line['high'], currency)}"


def _plain(text: str) -> str:
    """Foreign text: no markup, nothing that a terminal obeys."""
    return escape(tame(text))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def providers(costs: Costs) -> Table:
    currency = costs.bill["currency"] or "cost"
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("provider", f"training {currency}", f"month {currency}", "per 1,000", "weights", "prices of"):
        table.add_column(name, justify="left" if name in ("provider", "weights", "prices of") else "right")
    for one in costs.providers:
        table.add_row(
            _plain(one["title"]),
            _marked(one["training"], one["training_origin"]),
            _marked(one["month"], one["month_origin"]),
            money(one["per_1000"]),
            "yes" if one["export"] else "no",
            f"{one['date'] or '-'}{', old' if one['old'] else ''}",
            style=None if one["fits"] else "dim",
        )
    return table


def terms(providers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Of each place: what it trains and how, what it hears of the data and where, and what speaks against it."""
    for one in providers:
        trains = f"trains {one['models']}" if one["models"] else "does not say what it trains"
        hears = f"{one['privacy']} ({one['region'] or 'its region is not said'})"
        against = f"; against it: {', '.join(one['against'])}" if one["against"] else ""
        yield f"{one['title']}: {trains}, by {', '.join(one['methods'])}; {hears}{against}"


def _marked(value: float | None, origin: str) -> str:
    return f"{'~' if origin == 'assumed' else ''}{money(value)}"


def conclusions(bill: Mapping[str, Any]) -> Iterator[str]:
    currency, saved = bill["currency"], bill["savings"]["per_month"]
    per = bill["per_1000"]
    if "tuned" not in bill["quality"]:
        yield "By the rows alone, and what is assumed below:"
    yield f"1,000 requests: {money(per['tuned'], currency)} tuned, {money(per['prompted'], currency)} prompted"
    if saved is None:
        yield f"what is saved is unknown, for want of: {', '.join(bill['unknown'])}"
    elif saved > 0:
        yield f"saves {money(saved, currency)} a month, maintenance paid{_range(bill, 1)}"
    else:
        yield f"costs {money(-saved, currency)} a month more than prompting{_range(bill, -1)}"
    yield from _returns(bill)
    yield from _quality(bill["quality"])


def _range(bill: Mapping[str, Any], sign: int) -> str:
    """Between which what is saved lies: the least of one with the most of the other. sign: -1 tells what it costs."""
    (our_least, our_most), (their_least, their_most) = (_ends(bill["monthly"][who]) for who in ("tuned", "prompted"))
    saved = sorted((sign * (their_least - our_most), sign * (their_most - our_least)))
    return "" if saved[0] == saved[1] else f" ({money(saved[0])} to {money(saved[1], bill['currency'])})"


def _ends(part: Mapping[str, Any]) -> tuple[float, float]:
    whole = part["total"]
    return (whole, whole) if part["low"] is None else (part["low"], part["high"])


def _returns(bill: Mapping[str, Any]) -> Iterator[str]:
    after, requests = bill["break_even"]["months"], bill["break_even"]["requests_per_month"]
    if requests is not None:
        yield f"the cheaper one to run from {requests:,.0f} requests a month"
    elif (least := bill["break_even"]["requests_at_least"]) is not None:
        yield f"the cheaper one to run from {least:,.0f} requests a month at the least"
    elif bill["per_1000"]["prompted"] is not None and bill["per_1000"]["tuned"] is not None:
        yield "at these prices it never is the cheaper one to run, however many requests"
    spent = "the experiment" if bill["experiment"]["complete"] else "what is known of the experiment"
    if after is not None:
        yield f"{spent} is paid back after {after:,.1f} months"
    if bill["roi"]["value"] is not None:
        yield f"return over {bill['roi']['months']} months: {bill['roi']['value']:+,.0%} of the cost of {spent}"


def _quality(quality: Mapping[str, Any]) -> Iterator[str]:
    if "tuned" not in quality:
        yield "quality: nothing was measured yet"
        return
    tuned, name = quality["tuned"], quality["metric"]
    said = f"quality: {name} {_interval(tuned)} on {counted(quality['rows'], 'test row')}"
    if "prompted" not in quality:
        yield f"{said}; of the large model it was not measured: switch on the baseline `larger`"
        return
    yield f"{said}; the large model {_interval(quality['prompted'])}"


def _interval(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.3f} [{figure['low']:.2f}, {figure['high']:.2f}]"


def sources(costs: Costs) -> Iterator[str]:
    for one in costs.bill["assumptions"]:
        between = "" if one["low"] is None else f" ({_number(one['low'])} to {_number(one['high'])})"
        yield f"assumed: {one['what'].replace('_', ' ')} {_number(one['value'])}{between}: {one['why']}"
    for of in costs.json()["prices"]:
        yield f"prices of {of['title']}, {of['date']}: {'; '.join(of['sources'])}"
