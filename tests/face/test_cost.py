"""`tunec cost`: before a build and after one, with our prices and with one's own."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from compiler.prices import PRICED, UNITS, names, price_list
from stages import history
from tests.compiling import MINIMAL, ROWS, compiled, workspace
from tunec import start
from tunec.costing import hour
from tunec.providing import PROVIDERS
from tunec.sweeping.forecast import Forecast, Kind

DAY = "1780272000"  # 2026-06-01
OWN = """\
currency: USD
date: 2026-05-30
source: a bill
prices:
  machine: {price: 219, unit: month, of: a box}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A task whose rows are there and of which nothing was built."""
    (tmp_path / ROWS).parent.mkdir(parents=True)
    (tmp_path / ROWS).write_text('{"text": "a", "people": "2", "time": "noon"}\n' * 20, encoding="utf-8")
    (tmp_path / "task.yaml").write_text(MINIMAL, encoding="utf-8")
    return tmp_path


def own_prices(folder: Path, text: str = OWN, name: str = "own_cpu") -> None:
    file = folder / "conf" / "prices" / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def tunec(folder: Path, *words: str, code: int = 0, day: str = DAY) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.dict("os.environ", {"SOURCE_DATE_EPOCH": day}),
        mock.patch.object(sys, "argv", ["tunec", *words]),
        pytest.raises(SystemExit) as ended,
    ):
        start.main()
    assert int(ended.value.code or 0) == code, out.getvalue() + err.getvalue()
    return out.getvalue(), err.getvalue()


def costs(folder: Path, *overrides: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tunec(folder, "cost", *overrides, "--json")[0])
    return found


def items(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {line["item"]: line for part in (found["experiment"], *found["monthly"].values()) for line in part["items"]}


def test_before_anything_is_built_every_figure_is_an_assumption_or_unknown(folder: Path) -> None:
    found = costs(folder)
    lines = items(found)
    assert {line["origin"] for name, line in lines.items() if name != "teacher"} == {"assumed", "unknown"}
    assert lines["teacher"]["origin"] == "given"  # task.yaml has none
    assert set(found["unknown"]) == {"training", "evaluation"}
    for name in found["unknown"]:  # each says what would tell it
        assert lines[name]["why"].startswith("unknown until `tunec build`")
    assert found["quality"] == {"metric": "slot_f1"}
    text, _ = tunec(folder, "cost")
    assert "ASSUMED" in text and "UNKNOWN" in text and "nothing was measured yet" in text


def test_before_a_build_tokens_are_told_by_the_rows_between_two_ends(folder: Path) -> None:
    found = costs(folder, "cost.requests_per_month=1000000")
    asked = found["quantities"]["prompted_tokens"]
    assert asked["origin"] == "assumed" and asked["low"] < asked["value"] < asked["high"]
    assert "20 rows at 4 characters a token, or 2.5 to 5" in asked["why"]
    line, month = items(found)["tokens of the large model"], found["monthly"]["prompted"]
    assert line["low"] < line["cost"] < line["high"]
    assert (month["low"], month["total"], month["high"]) == (line["low"], line["cost"], line["high"])
    longer = (folder / ROWS).read_text(encoding="utf-8").replace('"a"', f'"{"long " * 100}"')
    (folder / ROWS).write_text(longer, encoding="utf-8")
    more = costs(folder, "cost.requests_per_month=1000000")["quantities"]["prompted_tokens"]
    assert more["value"] - asked["value"] == pytest.approx(498 / 4)  # of the text, its blanks at the end aside
    by_token = {one["name"]: one for one in found["providers"]}["openai"]
    assert by_token["training_origin"] == "assumed" and by_token["training"] > 0 and by_token["month"] > 0


def test_a_prompt_that_is_said_leaves_the_answer_between_its_ends(folder: Path) -> None:
    line = items(costs(folder, "cost.input_tokens=200"))["tokens of the large model"]
    assert line["low"] < line["cost"] < line["high"]


def test_what_no_row_shows_is_no_answer_of_no_tokens(folder: Path) -> None:
    (folder / ROWS).write_text('{"text": "' + "a long text " * 50 + '"}\n' * 20, encoding="utf-8")
    texts = "training.method=cpt", "training.epochs=1", "splits.ratios={train: 0.5, dev: 0.25, test: 0.25}"
    found = costs(folder, *texts)["quantities"]
    assert found["output_tokens"]["value"] is None and found["prompted_tokens"]["value"] is None


def test_rows_that_the_template_cannot_show_leave_figures_unknown(folder: Path) -> None:
    assert costs(folder, "input_template='{{ text.a.b }}'")["quantities"]["prompted_tokens"]["value"] is None


def test_a_month_before_a_build_is_that_of_the_least_machine(folder: Path) -> None:
    found = costs(folder, "cost.hour=0.1", "cost.requests_per_month=1314000")
    line = items(found)["hosting"]
    assert line["origin"] == "assumed" and line["cost"] == pytest.approx(73)
    assert "enough while an answer takes at most 1 s" in line["why"]
    dearest = items(found)["tokens of the large model"]["high"] / 1_314_000
    assert found["break_even"]["requests_per_month"] is None
    assert found["break_even"]["requests_at_least"] == pytest.approx((73 + 80) / dearest)
    low, high = found["monthly"]["prompted"]["low"] - 153, found["monthly"]["prompted"]["high"] - 153
    text, _ = tunec(folder, "cost", "cost.hour=0.1", "cost.requests_per_month=1314000")
    assert (
        f"a month, maintenance paid ({low:.2f} to {high:,.0f} USD)" in text
        or f"({low:,.0f} to {high:,.0f} USD)" in text
    )
    assert "By the rows alone, and what is assumed below:" in text
    assert "requests a month at the least" in text and "what is known of the experiment" in text
    timed = costs(folder, "cost.hour=0.1", "cost.requests_per_month=1314000", "cost.seconds_per_request=0.5")
    assert timed["break_even"]["requests_at_least"] is None and timed["break_even"]["requests_per_month"]


def test_by_the_hour_of_answering_nothing_is_said_before_an_answer_was_timed(folder: Path) -> None:
    found = costs(folder, "cost.hosting=on_demand")
    assert items(found)["hosting"]["cost"] is None and found["break_even"]["requests_at_least"] is None
    assert "unknown until `tunec build` times its answers" in items(found)["hosting"]["why"]
    assert found["savings"]["per_month"] is None


def test_more_lost_than_saved_is_told_with_both_ends(folder: Path) -> None:
    text, _ = tunec(folder, "cost", "cost.requests_per_month=1000")
    told = re.search(r"costs (\d+) USD a month more than prompting \((\d+) to (\d+) USD\)", text)
    assert told is not None
    most, low, high = map(int, told.groups())
    assert low <= most <= high


def test_tokens_that_nobody_counted_lack_and_not_their_price(folder: Path) -> None:
    (folder / ROWS).write_text("", encoding="utf-8")  # and no row shows them

    def why(*overrides: str) -> str:
        return str(costs(folder, *overrides)["monthly"]["prompted"]["items"][0]["why"])

    lacks = "the tokens of a request are not known: build once, bring rows, or write"
    assert why() == f"{lacks} cost.input_tokens and cost.output_tokens"
    assert why("cost.input_tokens=200") == f"{lacks} cost.output_tokens"
    assert "200 tokens in, 10.0 out a request" in why("cost.input_tokens=200", "cost.output_tokens=10")


def test_one_hour_is_no_plural(folder: Path) -> None:
    text, _ = tunec(folder, "cost", "cost.engineering_hours=1", "cost.maintenance_hours=2")
    assert re.search(r"engineering +1 hour +80", text) and re.search(r"maintenance +2 hours +80", text)


def test_what_is_said_needs_no_build(folder: Path) -> None:
    said = ("input_tokens=200", "output_tokens=10", "seconds_per_request=0.5", "requests_per_month=1000000", "hour=0.1")
    found = costs(folder, *(f"cost.{word}" for word in said))
    assert found["monthly"]["prompted"]["total"] == pytest.approx(480)
    assert found["monthly"]["tuned"]["total"] == pytest.approx(73 + 80)
    assert found["savings"]["per_month"] == pytest.approx(480 - 153)


def test_how_long_training_took_here_is_known_from_its_last_run(folder: Path) -> None:
    history.remember(folder, "train-smollm2-135m-r16", 3600.0, [], None)
    found = costs(folder, "cost.iterations=1", "cost.hour=0.25")
    line = next(one for one in found["experiment"]["items"] if one["item"] == "training")
    assert (line["origin"], line["cost"]) == ("measured", pytest.approx(0.25))


def test_a_build_half_done_or_damaged_leaves_figures_as_before_it(folder: Path) -> None:
    before = costs(folder)
    for name in ("select/choice.json", "test/chosen.jsonl", "score/scores.json"):
        (folder / "build" / name).parent.mkdir(parents=True)
        (folder / "build" / name).write_bytes(b"\xb1\x00{")
    assert costs(folder) == before
    (folder / "build" / "splits").mkdir()
    row = {"id": "1", "input": {"text": "a"}, "output": {"people": "2", "time": "noon"}}
    (folder / "build" / "splits" / "test.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert costs(folder) == before


def test_providers_stand_side_by_side_with_what_speaks_against_them(folder: Path) -> None:
    found = {one["name"]: one for one in costs(folder, "cost.data_may_leave=false")["providers"]}
    assert {"openai", "bedrock", "vertex", "together", "own_gpu", "own_cpu"} == found.keys()
    assert found["openai"]["against"] == ["data may not leave", "no weights for deploy_target local"]
    assert found["together"]["against"] == ["data may not leave"] and found["together"]["export"]
    assert found["own_cpu"]["fits"] and found["own_cpu"]["privacy"] == "stays on your machine"
    grpo = {one["name"]: one for one in costs(folder, "training.method=grpo")["providers"]}
    assert "does not train by grpo" in grpo["openai"]["against"] and grpo["own_gpu"]["fits"]


def test_a_price_of_the_workspace_lies_above_ours_with_its_own_day_and_source(folder: Path) -> None:
    own_prices(folder)
    found = costs(folder, "cost.training_hours=10", "cost.iterations=1")
    assert found["paid"]["train"]["machine"] == pytest.approx(219 / 730)
    assert found["paid"]["train"]["title"] == "Own CPU"
    source = next(one for one in found["prices"] if one["name"] == "own_cpu")
    assert (source["date"], source["sources"]) == ("2026-05-30", ["a bill"])


def test_prices_older_than_half_a_year_are_warned_of_by_the_day_that_it_is(folder: Path) -> None:
    own_prices(folder)
    assert "own_cpu.yaml" not in tunec(folder, "cost", day="1795651200")[1]  # 2026-11-26: 180 days later
    told = tunec(folder, "cost", day="1795737600")[1]  # a day more
    assert "warning[T775]: the prices of Own CPU are of 2026-05-30, 181 days ago" in told
    assert "--> conf/prices/own_cpu.yaml:5:3" in told


def test_a_price_without_a_unit_is_refused_with_its_line(folder: Path) -> None:
    own_prices(folder, OWN.replace(", unit: month", ""))
    _, told = tunec(folder, "cost", code=1)
    assert "error[T772]: the price `machine` has no unit" in told and "--> conf/prices/own_cpu.yaml:5:3" in told


def test_what_a_price_list_says_is_shown_and_not_obeyed(folder: Path) -> None:
    own_prices(folder, f'title: "[red]x[/] \\e[2J"\n{OWN}')
    text, _ = tunec(folder, "cost")
    assert "[red]x[/]" in text and "\x1b[2J" not in text


@pytest.mark.parametrize("columns", [80, 200])
def test_every_line_fits_the_terminal_and_no_word_is_lost(folder: Path, columns: int) -> None:
    own_prices(folder, f"title: {'a provider of many names ' * 6}\n{OWN}")
    said = ("input_tokens=200", "output_tokens=10", "seconds_per_request=0.5", "requests_per_month=30000000")
    with mock.patch.dict("os.environ", {"COLUMNS": str(columns)}):
        text, _ = tunec(folder, "cost", *(f"cost.{word}" for word in said))
    assert max(map(len, text.splitlines())) <= columns
    words = " ".join(text.split())
    assert "data review: a hundred rows read by a person is the least before training; a minute a row" in words
    assert "against it: no weights for deploy_target local" in words and "30,000,000 requests" in words
    assert "(the United States, unless data residency is agreed for your project)" in words


@pytest.mark.parametrize("section", ["", "cost: {requests_per_month: 3}\n"])
@pytest.mark.parametrize(("name", "price"), [("own_cpu", "machine"), ("labour", "engineering")])
def test_a_price_in_another_currency_is_pointed_at_where_it_stands(
    folder: Path, name: str, price: str, section: str
) -> None:
    own_prices(folder, OWN.replace("USD", "EUR").replace("machine", price), name)
    (folder / "task.yaml").write_text(MINIMAL + section, encoding="utf-8")
    _, told = tunec(folder, "cost", code=1)
    assert "error[T776]" in told and f"--> conf/prices/{name}.yaml:5:3" in told and "<command line>" not in told
    assert ("`cost.train_on` is `own_cpu`" if name == "own_cpu" else "hours of people are paid by `labour`") in told


def test_our_own_price_lists_say_where_and_when_each_price_is_from() -> None:
    found = {name: price_list(name, workspace()) for name in names(workspace())}
    for of in found.values():
        assert of is not None and of.prices.keys() <= PRICED.keys()
        assert all(price.source and price.date and price.value >= 0 for price in of.prices.values())
        words = ("could not be verified", "could be verified", "not checked", "an assumption")
        assert all(any(word in price.source for word in words) for price in of.prices.values()), of.name


def test_a_provider_trains_by_preferences_where_export_data_writes_them_for_it() -> None:
    lists = {name: price_list(name, workspace()) for name in PROVIDERS}
    assert {name: "dpo" in of.methods for name, of in lists.items() if of} == {
        name: provider.prefers for name, provider in PROVIDERS.items()
    }


def test_tokens_by_the_thousand_and_machines_by_the_month_come_to_one_measure() -> None:
    text = OWN.replace("prices:\n", "prices:\n  training: {price: 0.008, unit: 1k tokens}\n")
    found = price_list("mine", workspace(own={"conf/prices/mine.yaml": text}))
    assert found is not None
    assert (found.price("training"), found.price("machine")) == (pytest.approx(8.0), pytest.approx(0.3))
    assert {kind for kind, _ in UNITS.values()} == set(PRICED.values())


# ---------------------------------------------------------------- an hour's price, for a sweep's plan


def test_a_sweep_s_plan_costs_what_cost_says_of_an_hour() -> None:
    assert hour(compiled(f"{MINIMAL}cost: {{hour: 0.5}}\n")) == (0.5, "USD")
    assert hour(compiled(f"{MINIMAL}cost: {{train_on: own_gpu}}\n")) == (1.006, "USD")
    assert hour(compiled(f"{MINIMAL}cost: {{train_on: openai}}\n")) == (None, "USD")
    assert hour(compiled(MINIMAL)) == (None, "")


def test_a_plan_says_what_it_will_cost_and_in_which_currency() -> None:
    kind = Kind("train", 2, 2, 0, 7200.0, 0)
    found = Forecast(2, 6, [kind], 9, 1, 7200.0, [], 0.5, "USD")
    assert found.text().endswith("2 stages to run: about 2 h, 0 B, USD 1.00 at 0.5 an hour")
    assert (found.json()["cost"], found.json()["currency"]) == (1.0, "USD")
