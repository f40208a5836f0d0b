"""What a task costs and saves: every sum by hand, and where each figure is from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages.answers import Answer, write_answers
from stages.bill import bill
from stages.cost import STAGE, CostParams, Inputs, Outputs, facts
from stages.report import priced
from stages.rows import read_json, write_json, write_jsonl
from stages.sums import Figure
from tests.stages.made_up_build import MEASURED, RATES

MILLION = {"requests_per_month": 1_000_000.0, "months": 12, "engineering_hours": 10.0, "maintenance_hours": 2.0}
NO_WORK = {"review_rows": 0.0, "iterations": 1.0, "training_hours": 0.0}


def billed(terms: dict[str, Any] | None = None, rates: dict[str, Any] | None = None, **known: Figure) -> dict[str, Any]:
    return bill({**MEASURED, **known}, {**MILLION, **NO_WORK, **(terms or {})}, rates or RATES)


def item(part: dict[str, Any], name: str) -> dict[str, Any]:
    return next(line for line in part["items"] if line["item"] == name)


def test_a_month_of_the_large_model_is_its_tokens() -> None:
    found = billed()["monthly"]["prompted"]
    assert found["total"] == pytest.approx(1_000_000 * (200 * 2 + 10 * 8) / 1e6)  # 480


def test_a_figure_between_two_ends_makes_a_cost_between_two_ends() -> None:
    prompted = Figure(200.0, "assumed", "about", 100.0, 400.0)
    found = billed(prompted_tokens=prompted)
    line = item(found["monthly"]["prompted"], "tokens of the large model")
    assert line["low"] == pytest.approx(1_000_000 * (100 * 2 + 10 * 8) / 1e6)
    assert line["high"] == pytest.approx(1_000_000 * (400 * 2 + 10 * 8) / 1e6)
    assert found["monthly"]["prompted"]["high"] == pytest.approx(line["high"])
    assert billed()["monthly"]["prompted"]["high"] is None and found["monthly"]["tuned"]["low"] is None


def test_a_price_that_no_list_names_is_what_lacks_where_the_tokens_are_known() -> None:
    unpriced = item(billed(rates={**RATES, "against": {}})["monthly"]["prompted"], "tokens of the large model")
    assert (unpriced["cost"], unpriced["why"]) == (None, "the price list names no such price")


def test_a_month_of_the_tuned_model_is_whole_machines_and_their_upkeep() -> None:
    """A million requests of half a second are 139 hours; half of a machine's 730 are for answering: one does."""
    found = billed()["monthly"]["tuned"]
    assert item(found, "hosting")["cost"] == pytest.approx(730 * 0.1)
    assert found["total"] == pytest.approx(730 * 0.1 + 2 * 80)
    four = billed({"requests_per_month": 10_000_000.0})
    assert four["machines"] == 4 and item(four["monthly"]["tuned"], "hosting")["cost"] == pytest.approx(4 * 73)


def test_on_demand_pays_for_the_hours_of_answering_alone() -> None:
    found = item(billed({"hosting": "on_demand", "utilization": 0.25})["monthly"]["tuned"], "hosting")
    assert found["cost"] == pytest.approx(1_000_000 * 0.5 / 3600 / 0.25 * 0.1)


def test_a_tuned_model_by_the_token_needs_no_machine() -> None:
    rates = {**RATES, "serve": {"tuned_input": 1.0, "tuned_output": 2.0}}
    found = billed(rates=rates, tuned_tokens=Figure(50.0, "measured"))
    assert found["monthly"]["tuned"]["total"] == pytest.approx(50 * 1 + 10 * 2 + 160)
    assert found["break_even"]["requests_per_month"] == pytest.approx(160 / ((480 - 70) / 1e6))


def test_the_experiment_is_the_sum_of_its_items() -> None:
    terms = {
        "teacher_rows": 1000.0,
        "review_rows": 120.0,
        "review_minutes": 2.0,
        "training_hours": 3.0,
        "iterations": 2.0,
    }
    rates = {**RATES, "teacher": RATES["against"]}
    found = billed(terms, rates)["experiment"]
    costs = {line["item"]: line["cost"] for line in found["items"]}
    assert costs == pytest.approx(
        {
            "teacher": 1000 * 480 / 1e6,
            "data review": 4 * 30,
            "training": 6 * 0.1,
            "evaluation": 0.5 * 0.1,
            "engineering": 800,
        }
    )
    assert found["total"] == pytest.approx(sum(costs.values())) and found["complete"]


def test_training_is_by_the_token_where_that_has_a_price() -> None:
    rates = {**RATES, "train": {"training": 5.0}}
    found = billed({"iterations": 3.0}, rates, training_tokens=Figure(40_000.0, "measured"))
    assert item(found["experiment"], "training")["cost"] == pytest.approx(3 * 0.04 * 5)


def test_savings_break_even_and_return_follow_from_both() -> None:
    found = billed()
    spent, saved = 10 * 80 + 0.25 * 0.1, 480 - 233
    assert found["savings"] == {"per_month": pytest.approx(saved), "pays": True}
    assert found["break_even"]["months"] == pytest.approx(spent / saved)
    assert found["roi"] == {"months": 12, "value": pytest.approx((12 * saved - spent) / spent)}
    assert found["curve"][0] == {"month": 0, "tuned": pytest.approx(spent), "prompted": 0}
    assert found["curve"][12]["prompted"] == pytest.approx(12 * 480)


@pytest.mark.parametrize("share", [0.9999, 1.0001])
def test_it_is_the_cheaper_one_from_the_break_even_on(share: float) -> None:
    least = billed()["break_even"]["requests_per_month"]
    found = billed({"requests_per_month": least * share})
    assert found["savings"]["pays"] is (share > 1)


def test_where_a_full_machine_costs_more_than_the_large_model_it_never_is() -> None:
    rates = {**RATES, "serve": {"machine": 10.0}}
    found = billed(rates=rates)
    assert set(found["break_even"].values()) == {None} and found["savings"]["pays"] is False
    assert billed({"hosting": "on_demand"}, rates)["break_even"]["requests_per_month"] is None


def test_what_was_not_measured_is_an_assumption_or_unknown_and_never_a_fact() -> None:
    found = bill({}, {}, RATES)
    assert {one["what"]: one["value"] for one in found["assumptions"]}["requests_per_month"] == 100_000
    assert found["savings"] == {"per_month": None, "pays": None} and not found["curve"]
    assert {"tokens of the large model", "training", "evaluation"} <= set(found["unknown"])
    assert item(found["monthly"]["tuned"], "hosting")["origin"] == "assumed"  # one machine is the least
    assert "hosting" in bill({}, {"hosting": "on_demand"}, RATES)["unknown"]
    assert item(found["experiment"], "training")["origin"] == "unknown"
    assert not found["experiment"]["complete"]


def test_a_line_is_as_sure_as_its_least_sure_figure() -> None:
    found = billed()
    assert item(found["monthly"]["prompted"], "tokens of the large model")["origin"] == "estimated"
    assert item(found["monthly"]["tuned"], "hosting")["origin"] == "assumed"  # for the share of a machine's time
    said = billed({"utilization": 0.5})
    assert item(said["monthly"]["tuned"], "hosting")["origin"] == "measured"


def test_wrong_answers_count_where_both_models_were_measured() -> None:
    shares = {"wrong_tuned": Figure(0.1, "measured"), "wrong_prompted": Figure(0.05, "measured")}
    found = billed({"per_error": 0.01}, **shares)
    assert item(found["monthly"]["tuned"], "wrong answers")["cost"] == pytest.approx(1000)
    assert item(found["monthly"]["prompted"], "wrong answers")["cost"] == pytest.approx(500)
    alone = billed({"per_error": 0.01}, wrong_tuned=shares["wrong_tuned"])
    assert item(alone["monthly"]["tuned"], "wrong answers")["cost"] is None


# ---------------------------------------------------------------- from the files of a build


ROW = {"id": "a", "input": {"text": "For 2 at 7pm"}, "output": {"people": "2"}, "split": None}
PARAMS = {
    "prompting": {"input_template": "{text}", "system_prompt": "Read.", "mode": "system"},
    "contract": {"type": "json", "schema_": {"type": "object", "properties": {"people": {"type": "string"}}}},
    "primary": "slot_f1",
    "batch_size": 1,
    "terms": MILLION,
    "rates": RATES,
}


def figures(value: float) -> dict[str, Any]:
    return {name: {"value": value, "low": value - 0.1, "high": value + 0.1} for name in ("slot_f1", "exact_match")}


def built(folder: Path) -> Inputs:
    """What a build leaves: two test rows, eight tokens of prompt a train row, four answers a second."""
    write_jsonl(folder / "rows.jsonl", [ROW, {**ROW, "id": "b"}])
    said = (Answer(id, "x", "x", tokens, "stop") for id, tokens in (("a", 6), ("b", 8)))
    write_answers(folder / "answers.jsonl", said, "0" * 12)
    reports = {
        "splits": {"train": 2, "dev": 4, "test": 2},
        "choice": {"variant": "v", "candidate": "q8_0"},
        "trained": {"rows": 2, "steps": 4, "tokens_per_epoch": 26, "learned_tokens_per_epoch": 10},
        "speed": {"chosen": {"rows_per_second": 4.0}, "tuned": {"rows_per_second": 2.0}},
        "predicted": {"rows_per_second": 4.0},
        "larger": {"rows_per_second": 1.0, "cost_per_1000": 0.5},
        "scores": {
            "rows": 2,
            "chosen": "q8_0",
            "systems": {"q8_0": figures(0.9), "larger": figures(0.8)},
            "ahead": {"larger": {"value": 0.1}},
        },
    }
    for name, report in reports.items():
        write_json(folder / f"{name}.json", report)
    at = {name: folder / f"{name}.json" for name in reports}
    rows = folder / "rows.jsonl"
    return Inputs(
        rows=rows,
        train=rows,
        splits=at["splits"],
        choice=at["choice"],
        trained={"v": at["trained"]},
        answers=folder / "answers.jsonl",
        speed=at["speed"],
        speeds={"v-q8_0": at["predicted"]},
        baseline_speeds={"larger": at["larger"]},
        scores=at["scores"],
    )


def test_figures_are_read_from_what_the_build_measured(tmp_path: Path) -> None:
    found = facts(built(tmp_path), CostParams(**PARAMS))
    measured = {name: figure.value for name, figure in found.items() if figure.origin == "measured"}
    assert measured == pytest.approx(
        {
            "output_tokens": 7,
            "seconds_per_request": 0.25,
            "training_tokens": 52,
            "evaluation_hours": (4 / 4 + 2 / 4 + 2 / 2 + 2 / 1) / 3600,
            "tuned_tokens": 8,
            "larger_spent": 0.001,
            "wrong_tuned": 0.1,
            "wrong_prompted": 0.2,
        }
    )


@pytest.mark.parametrize(
    ("steps", "batch_size", "tokens", "origin"),
    [
        (4, 1, 52, "measured"),
        (2, {"v": 2, "w": 1}, 52, "measured"),
        (1, 1, 13, "estimated"),
        (3, 1, 39, "estimated"),
    ],
)
def test_tokens_of_a_training_are_those_of_the_steps_that_it_made(
    steps: int, batch_size: Any, tokens: float, origin: str, tmp_path: Path
) -> None:
    """A budget or patience may have ended it before its epochs were over."""
    inputs = built(tmp_path)
    write_json(tmp_path / "trained.json", {**read_json(tmp_path / "trained.json"), "steps": steps})
    found = facts(inputs, CostParams(**{**PARAMS, "batch_size": batch_size}))["training_tokens"]
    assert (found.value, found.origin) == (pytest.approx(tokens), origin)


def test_a_prompt_of_the_large_model_is_estimated_by_this_task_s_own_characters_a_token(tmp_path: Path) -> None:
    params = CostParams(**PARAMS)
    asked = params.prompting.model_copy(update={"mode": "contract"}).system(params.contract)
    ratio = len("Read." + "For 2 at 7pm") / 8
    found = facts(built(tmp_path), params)["prompted_tokens"]
    assert (
        found.value == pytest.approx((len(asked or "") + len("For 2 at 7pm")) / ratio) and found.origin == "estimated"
    )


def test_files_that_are_missing_or_of_an_older_version_leave_figures_unknown(tmp_path: Path) -> None:
    inputs, params = built(tmp_path), CostParams(**PARAMS)
    (tmp_path / "speed.json").write_text("{}", encoding="utf-8")
    (tmp_path / "trained.json").write_text("[1]", encoding="utf-8")
    (tmp_path / "scores.json").unlink()
    found = facts(inputs, params)
    assert not {"seconds_per_request", "training_tokens", "evaluation_hours", "wrong_tuned"} & found.keys()
    assert found["prompted_tokens"].origin == "assumed" and "4 characters a token" in found["prompted_tokens"].why
    nothing = replace(inputs, rows=tmp_path / "no.jsonl", answers=tmp_path / "none.jsonl")
    assert "output_tokens" not in facts(nothing, params)


def test_the_stage_writes_the_same_bytes_again_with_the_quality_of_both(tmp_path: Path) -> None:
    inputs = built(tmp_path)
    texts = []
    for name in ("one.json", "two.json"):
        STAGE.run(inputs, CostParams(**PARAMS), Outputs(tmp_path / name))
        texts.append((tmp_path / name).read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    quality = json.loads(texts[0])["quality"]
    assert (quality["tuned"]["value"], quality["prompted"]["value"], quality["lead"]["value"]) == (0.9, 0.8, 0.1)


def test_the_table_of_speed_prices_an_hour_and_takes_an_endpoint_s_own_price() -> None:
    systems = [{"name": "f16"}, {"name": "larger"}, {"name": "slow"}]
    speeds = {"f16": {"rows_per_second": 2.0}, "larger": {"rows_per_second": 1.0, "cost_per_1000": 0.5}}
    priced(systems, speeds, 0.36)
    assert [one["cost_per_1000"] for one in systems] == [pytest.approx(0.05), 0.5, None]
    bare: list[dict[str, Any]] = [{"name": "f16"}]
    priced(bare, speeds, None)
    assert bare == [{"name": "f16"}]


# ---------------------------------------------------------------- models elsewhere that a build asks


def line(number: int, **said: Any) -> dict[str, Any]:
    body = {"model": "big", "messages": [{"role": "user", "content": "x" * 368}]}
    return {"key": f"{number}", "for": "prefer", "row": "a", "body": body, **said}


@pytest.mark.parametrize(("who", "field"), [("judge", "judged"), ("teacher", "taught")])
def test_what_a_judge_and_a_teacher_were_asked_is_in_the_bill(who: str, field: str, tmp_path: Path) -> None:
    said = [line(n, text="A", tokens=20, input=300 + n) for n in range(3)]
    write_jsonl(tmp_path / "t.jsonl", [*said, line(9, refused=400)])
    known = facts(replace(built(tmp_path), **{field: tmp_path / "t.jsonl"}), CostParams(**PARAMS))
    rounds = 2 if who == "judge" else 1
    rates = {**RATES, who: {"prompted_input": 2.0, "prompted_output": 8.0}}
    found = item(bill(known, {**MILLION, "iterations": 2.0}, rates)["experiment"], who)
    assert found["cost"] == pytest.approx(rounds * 3 * (301 * 2 + 20 * 8) / 1e6)
    assert (found["quantity"], found["unit"]) == (rounds * 3, "requests") and found["origin"] == "measured"
    assert "301 tokens in, 20.0 out a request" in found["why"]


def test_a_judge_of_rows_at_another_address_is_paid_by_its_own_price(tmp_path: Path) -> None:
    taught = [line(n, text="A", tokens=20, input=300, **{"for": "rows"}) for n in range(3)]
    looked = [line(9, text="A", tokens=10, input=100, **{"for": "judge"})]
    write_jsonl(tmp_path / "t.jsonl", [*taught, *looked])
    dear, cheap = ({"prompted_input": price, "prompted_output": price} for price in (10.0, 1.0))
    both = {**RATES, "teacher": dear, "row_judge": cheap}
    for rates, expected in (
        (both, {"teacher": 3 * 3200, "judge of its rows": 110}),
        (RATES | {"teacher": dear}, {"teacher": 10_700}),
    ):
        inputs = replace(built(tmp_path), taught=tmp_path / "t.jsonl")
        found = bill(facts(inputs, CostParams(**{**PARAMS, "rates": rates})), MILLION, rates)["experiment"]
        costs = {one["item"]: one["cost"] for one in found["items"] if "cost" in one}
        told = {name: costs[name] for name in ("teacher", "judge of its rows") if name in costs}
        assert told == pytest.approx({name: tokens / 1e6 for name, tokens in expected.items()})


def test_a_price_list_that_nothing_names_is_an_assumption(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "t.jsonl", [line(0, text="A", tokens=20, input=300)])
    known = facts(replace(built(tmp_path), taught=tmp_path / "t.jsonl"), CostParams(**PARAMS))
    named = {"title": "OpenAI", "prompted_input": 2.0, "prompted_output": 8.0}
    unnamed = {**named, "unnamed": "cost.teacher.provider"}
    for rate, origin in ((named, "measured"), (unnamed, "assumed")):
        found = item(bill(known, MILLION, {**RATES, "teacher": rate})["experiment"], "teacher")
        assert found["origin"] == origin and found["cost"] == pytest.approx((300 * 2 + 20 * 8) / 1e6)
        assert ("paid by OpenAI, as cost.teacher.provider names no list" in found["why"]) is (origin == "assumed")
        planned = item(billed({"teacher_rows": 10.0}, {**RATES, "teacher": rate})["experiment"], "teacher")
        assert planned["cost"] and (planned["origin"] == "assumed") is (origin == "assumed")


def test_tokens_that_an_endpoint_does_not_count_are_estimated(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "t.jsonl", [line(0, text="A", tokens=2, input=0)])
    known = facts(replace(built(tmp_path), judged=tmp_path / "t.jsonl"), CostParams(**PARAMS))
    assert known["judge_input"].value == pytest.approx(100, abs=2) and known["judge_input"].origin == "estimated"


def test_a_judge_that_was_not_asked_yet_is_unknown_and_none_is_no_line(tmp_path: Path) -> None:
    known = facts(replace(built(tmp_path), judged=tmp_path / "t.jsonl"), CostParams(**PARAMS))
    found = bill(known, MILLION, RATES)
    assert item(found["experiment"], "judge")["cost"] is None and "judge" in found["unknown"]
    assert "the judge was not asked yet" in item(found["experiment"], "judge")["why"]
    assert all(one["item"] != "judge" for one in billed()["experiment"]["items"])


def test_rows_that_task_yaml_names_outdo_those_that_were_written() -> None:
    asked = {"teacher_requests": Figure(9.0, "measured"), "teacher_input": Figure(1.0, "measured")}
    rates = {**RATES, "teacher": RATES["against"]}
    found = item(billed({"teacher_rows": 1000.0}, rates, **asked)["experiment"], "teacher")
    assert found["unit"] == "rows" and found["quantity"] == 1000
