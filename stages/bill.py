"""What a task costs and saves: quantities times prices, each figure with where it comes from.

A quantity is what task.yaml says; else what the build measured; else an assumption that is marked as one; else it is
unknown, and what needs it is left out of the sums and named. The assumptions stand in one table, with their reasons.

Formulas: the experiment is teacher + review + training + evaluation + judge + engineering; a month is requests times
their price, or hosting, and maintenance; it breaks even after experiment / (saved a month) months.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from stages.counting import counted
from stages.sums import ASSUMED, Facts, Figure, Line, Sums, weakest

HOURS = 730.0  # of a month
MILLION = 1e6
MOST_MACHINES = 10_000
# Who is paid by the token -> its line.
ASKED = {"teacher": "teacher", "row_judge": "judge of its rows", "judge": "judge"}


def bill(facts: Facts, terms: Mapping[str, Any], rates: Mapping[str, Any]) -> dict[str, Any]:
    """{currency, quantities, experiment, monthly, per_1000, savings, break_even, roi, curve, assumptions, unknown}."""
    sums = Sums(facts, terms, rates)
    experiment = list(_experiment(sums))
    tuned, prompted = list(_tuned(sums)), list(_prompted(sums))
    spent, ours, theirs = total(experiment), total(tuned), total(prompted)
    names = (*_QUANTITIES, *(name for name in ASSUMED if name not in _QUANTITIES))
    quantities = {name: sums.figure(name) for name in names}
    saved = None if ours is None or theirs is None else theirs - ours
    months = int(terms.get("months", 12))
    return {
        "currency": rates.get("currency"),
        "paid": {part: rates[part] for part in ("against", "train", "serve") if part in rates},
        "quantities": {name: asdict(figure) for name, figure in quantities.items()},
        "experiment": _part(experiment),
        "monthly": {"tuned": _part(tuned), "prompted": _part(prompted)},
        "per_1000": {"tuned": _per_1000(sums, tuned, _SERVING), "prompted": _per_1000(sums, prompted, _ASKING)},
        "machines": _machines(sums),
        "hour": sums.rate("serve", "machine"),
        "savings": {"per_month": saved, "pays": None if saved is None else saved > 0},
        "break_even": {
            "months": _months(spent, saved),
            "requests_per_month": break_even_requests(sums),
            "requests_at_least": _break_even_at_least(sums),
        },
        "roi": {"months": months, "value": _return(spent, saved, months)},
        "curve": _curve(spent, ours, theirs, months),
        "assumptions": [_told(name, figure) for name, figure in quantities.items() if figure.origin == "assumed"],
        "unknown": sorted({line.item for line in (*experiment, *tuned, *prompted) if line.cost is None}),
    }


_QUANTITIES = ("requests_per_month", "prompted_tokens", "output_tokens", "seconds_per_request", "training_hours")
_SERVING, _ASKING = ("hosting", "tokens of the tuned model"), ("tokens of the large model",)


def total(lines: list[Line]) -> float | None:
    """The sum of what is known; None where the greater part could be missing: a month without its hosting."""
    needed = [line for line in lines if line.item in (*_SERVING, *_ASKING)]
    if any(line.cost is None for line in needed):
        return None
    return sum(line.cost for line in lines if line.cost is not None)


def _part(lines: list[Line]) -> dict[str, Any]:
    """low, high: between which the total lies, where a line tells so."""
    complete, whole = all(line.cost is not None for line in lines), total(lines)
    told = whole is not None and any(line.low is not None for line in lines)
    low, high = (sum(_end(line, name) for line in lines) if told else None for name in ("low", "high"))
    return {"items": [asdict(line) for line in lines], "total": whole, "complete": complete, "low": low, "high": high}


def _end(line: Line, name: str) -> float:
    end: float | None = getattr(line, name)
    return (line.cost or 0.0) if end is None else end


def _told(name: str, figure: Figure) -> dict[str, Any]:
    return {"what": name, "value": figure.value, "low": figure.low, "high": figure.high, "why": figure.why}


# ---------------------------------------------------------------- the experiment


def _experiment(sums: Sums) -> Iterator[Line]:
    rounds = sums.figure("iterations")
    yield _teacher(sums)
    if "row_judge_requests" in sums.facts:
        yield _requests(sums, "row_judge")
    reviewed = (sums.figure("review_rows"), sums.figure("review_minutes"), Figure(1 / 60, "given"))
    yield sums.line("data review", "hours", sums.rate("labour", "review"), *reviewed)
    yield training(sums, rounds)
    hour = sums.rate("train", "machine")
    yield sums.line("evaluation", "hours", hour if hour is not None else sums.rate("serve", "machine"),
                    sums.figure("evaluation_hours"), rounds)  # fmt: skip
    if (others := sums.figure("other_hours")).value is not None:
        yield sums.line("the other stages", "hours", hour, others, rounds)
    if (asked := sums.figure("larger_spent")).value is not None:
        yield sums.line("evaluation of the large model", "builds", asked.value, rounds)
    if "judge_requests" in sums.facts:
        yield _requests(sums, "judge", rounds)  # of other answers it is asked anew
    yield sums.line("engineering", "hours", sums.rate("labour", "engineering"), sums.figure("engineering_hours"))


def _teacher(sums: Sums) -> Line:
    rows = sums.figure("teacher_rows")
    if rows.value is None and "teacher_requests" in sums.facts:
        return _requests(sums, "teacher")  # in another round it is not asked again
    if not rows.value:
        none = Figure(0.0, "given")  # task.yaml has none, or says so
        return sums.line("teacher", "tokens", None, none, note="no row was written by a teacher")
    price, each = _prompted_request(sums, "teacher")
    return sums.line("teacher", "rows", price, rows, each, _paid(sums, "teacher"))


def _requests(sums: Sums, who: str, *times: Figure) -> Line:
    """What was asked of a model elsewhere, by the tokens of its own count."""
    asked = sums.figure(f"{who}_requests")
    if asked.value is None:
        return sums.line(ASKED[who], "requests", None, asked, *times, note=asked.why)
    tokens = sums.figure(f"{who}_input"), sums.figure(f"{who}_output")
    price, each = _request(*tokens, sums.rate(who, "prompted_input"), sums.rate(who, "prompted_output"))
    return sums.line(ASKED[who], "requests", price, asked, each, *times, _paid(sums, who))


def _paid(sums: Sums, who: str) -> Figure:
    """Whether it is said, or assumed, by which price list somebody is paid."""
    rate = sums.rates.get(who, {})
    if "unnamed" not in rate:
        return Figure(1.0, "given")
    return Figure(1.0, "assumed", f"paid by {rate['title']}, as {rate['unnamed']} names no list")


def training(sums: Sums, rounds: Figure) -> Line:
    """By the token where the list prices that, else by the hour of a machine."""
    by_token = sums.rate("train", "training")
    if by_token is not None:
        tokens = sums.figure("training_tokens")
        return sums.line("training", "tokens", by_token / MILLION, tokens, rounds)
    return sums.line("training", "hours", sums.rate("train", "machine"), sums.figure("training_hours"), rounds)


def _prompted_request(sums: Sums, part: str) -> tuple[float | None, Figure]:
    """One request to a large model; see `_request`."""
    said = sums.figure("input_tokens")
    given = said if said.value is not None else sums.figure("prompted_tokens")
    prices = sums.rate(part, "prompted_input"), sums.rate(part, "prompted_output")
    return _request(given, sums.figure("output_tokens"), *prices)


def tuned_request(sums: Sums) -> tuple[float | None, Figure]:
    """One request to a tuned model that is billed by the token; see `_request`."""
    prices = sums.rate("serve", "tuned_input"), sums.rate("serve", "tuned_output")
    return _request(sums.figure("tuned_tokens"), sums.figure("output_tokens"), *prices)


def _request(
    given: Figure, answer: Figure, price: float | None, of_answer: float | None
) -> tuple[float | None, Figure]:
    """What one request costs, and how surely its tokens are known. Prices are those of a million tokens."""
    one = Figure(1.0, weakest(given, answer), _both(given, answer))
    if given.value is None or answer.value is None:
        return None, Figure(None, "unknown", one.why)
    if price is None or of_answer is None:
        return None, one
    each = (given.value * price + answer.value * of_answer) / MILLION
    if each and any(figure.low is not None for figure in (given, answer)):
        (least, most), (shortest, longest) = _within(given), _within(answer)
        low, high = (least * price + shortest * of_answer, most * price + longest * of_answer)
        one = replace(one, low=low / MILLION / each, high=high / MILLION / each)
    return each, one


def _within(figure: Figure) -> tuple[float, float]:
    """Between which it lies; of one that tells no more, its value twice."""
    value = figure.value or 0.0
    return value if figure.low is None else figure.low, value if figure.high is None else figure.high


def _both(given: Figure, answer: Figure) -> str:
    if given.value is None or answer.value is None:
        keys = {"cost.input_tokens": given, "cost.output_tokens": answer}
        lacking = " and ".join(key for key, figure in keys.items() if figure.value is None)
        return f"the tokens of a request are not known: build once, bring rows, or write {lacking}"
    how = "; ".join(dict.fromkeys(figure.why for figure in (given, answer) if figure.low is not None))
    sure = f"{weakest(given, answer)}: {how}" if how else weakest(given, answer)
    return f"{given.value:,.0f} tokens in, {answer.value:,.1f} out a request ({sure})"


# ---------------------------------------------------------------- a month


def _tuned(sums: Sums) -> Iterator[Line]:
    """Hosting on machines, or by the token; and who looks after it."""
    requests = sums.figure("requests_per_month")
    hour = sums.rate("serve", "machine")
    if hour is not None:
        yield hosting(sums, hour)
    else:
        price, each = tuned_request(sums)
        yield sums.line("tokens of the tuned model", "requests", price, requests, each)
    yield sums.line("maintenance", "hours", sums.rate("labour", "engineering"), sums.figure("maintenance_hours"))
    yield from _wrong(sums, "tuned")


def _prompted(sums: Sums) -> Iterator[Line]:
    price, each = _prompted_request(sums, "against")
    yield sums.line("tokens of the large model", "requests", price, sums.figure("requests_per_month"), each)
    yield from _wrong(sums, "prompted")


def _wrong(sums: Sums, which: str) -> Iterator[Line]:
    """What wrong answers cost, where both models were measured: of one alone it would say nothing."""
    price, shares = sums.terms.get("per_error"), [sums.figure(f"wrong_{one}") for one in ("tuned", "prompted")]
    if price is not None:
        if any(share.value is None for share in shares):
            shares = [Figure(None, "unknown", "no large model was measured: switch on the baseline `larger`")] * 2
        yield sums.line("wrong answers", "answers", float(price), sums.figure("requests_per_month"),
                        shares[which == "prompted"])  # fmt: skip


def hosting(sums: Sums, hour: float) -> Line:
    """Whole machines day and night, or the hours that answering takes."""
    requests, seconds = sums.figure("requests_per_month"), sums.figure("seconds_per_request")
    share = sums.figure("utilization")
    of = (requests, seconds, share)
    machines = _machines(sums)
    if machines is None or requests.value is None or seconds.value is None or share.value is None:
        return sums.line("hosting", "hours", hour, _one_machine(sums, seconds))
    if sums.terms.get("hosting") == "on_demand":
        hours = Figure(requests.value * seconds.value / 3600 / share.value, weakest(*of), seconds.why)
        return sums.line("hosting", "hours", hour, hours)
    many = f"{counted(machines, 'machine')} day and night; {seconds.why}"
    return sums.line("hosting", "hours", hour, Figure(machines * HOURS, weakest(*of), many))


def _one_machine(sums: Sums, seconds: Figure) -> Figure:
    """The least that hosting takes before an answer was timed; nothing of what is paid by the hour of answering."""
    requests, share = sums.figure("requests_per_month").value, sums.figure("utilization").value
    if sums.terms.get("hosting") == "on_demand" or seconds.value is not None or not requests or not share:
        return Figure(None, "unknown", seconds.why)
    most = HOURS * 3600 * share / requests
    why = f"1 machine day and night, the least, and enough while an answer takes at most {most:,.3g} s"
    return Figure(HOURS, "assumed", f"{why}; how long it takes is {seconds.why}")


def _machines(sums: Sums) -> int | None:
    requests, seconds = sums.figure("requests_per_month").value, sums.figure("seconds_per_request").value
    share = sums.figure("utilization").value
    if requests is None or seconds is None or share is None or sums.rate("serve", "machine") is None:
        return None
    return max(1, math.ceil(requests * seconds / (HOURS * 3600 * share)))


def _per_1000(sums: Sums, lines: list[Line], items: tuple[str, ...]) -> float | None:
    """Of answering alone: hosting or tokens, at this many requests."""
    requests = sums.figure("requests_per_month").value
    costs = [line.cost for line in lines if line.item in items]
    return None if not requests or None in costs else 1000 * sum(cost or 0.0 for cost in costs) / requests


# ---------------------------------------------------------------- what comes back


def _months(spent: float | None, saved: float | None) -> float | None:
    """After how many months the experiment is paid back; None where it never is."""
    return None if spent is None or saved is None or saved <= 0 else spent / saved


def _return(spent: float | None, saved: float | None, months: int) -> float | None:
    """(saved - spent) / spent over so many months; None where nothing is spent or something is unknown."""
    return None if not spent or saved is None else (saved * months - spent) / spent


def break_even_requests(sums: Sums) -> float | None:
    """Requests a month from which the tuned model is the cheaper one to run; None where that is never so."""
    asking, upkeep = _prompted_request(sums, "against")[0], _upkeep(sums)
    if asking is None or upkeep is None:
        return None
    hour = sums.rate("serve", "machine")
    if hour is None:
        answering, _ = tuned_request(sums)
        return None if answering is None or asking <= answering else upkeep / (asking - answering)
    return _by_machines(sums, asking, upkeep, hour)


def _break_even_at_least(sums: Sums) -> float | None:
    """Before an answer was timed: what one machine takes, and more of them would take no fewer requests. Of a request's
    tokens the most is taken, for the dearer it is, the fewer it takes.
    """
    hour, seconds = sums.rate("serve", "machine"), sums.figure("seconds_per_request").value
    if hour is None or seconds is not None or sums.terms.get("hosting") == "on_demand":
        return None
    (asking, tokens), upkeep = _prompted_request(sums, "against"), _upkeep(sums)
    return None if not asking or upkeep is None else (HOURS * hour + upkeep) / (asking * (tokens.high or 1.0))


def _upkeep(sums: Sums) -> float | None:
    hours = sums.figure("maintenance_hours")
    return sums.line("maintenance", "hours", sums.rate("labour", "engineering"), hours).cost


def _by_machines(sums: Sums, asking: float, upkeep: float, hour: float) -> float | None:
    seconds, share = sums.figure("seconds_per_request").value, sums.figure("utilization").value
    if seconds is None or share is None:
        return None
    busy = seconds / 3600 / share  # hours of a machine that a request takes
    if sums.terms.get("hosting") == "on_demand":
        return None if asking <= busy * hour else upkeep / (asking - busy * hour)
    if asking <= busy * hour:  # full machines cost more than the large model: more of them never pay
        return None
    for many in range(1, MOST_MACHINES):
        needed = (many * HOURS * hour + upkeep) / asking
        if needed <= many * HOURS / busy:  # which is what so many machines can answer
            return needed
    return None


def _curve(spent: float | None, ours: float | None, theirs: float | None, months: int) -> list[dict[str, float]]:
    """What both have cost after each month."""
    if spent is None or ours is None or theirs is None:
        return []
    return [{"month": m, "tuned": spent + m * ours, "prompted": m * theirs} for m in range(months + 1)]
