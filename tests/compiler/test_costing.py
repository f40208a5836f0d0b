"""What a price or the section `cost` changes in the graph: the stage `cost`, what reads it, and no training."""

from __future__ import annotations

import pytest

from tests.compiling import MINIMAL, compiled, params

COST = f"{MINIMAL}cost: {{hour: 0.1}}\n"
DEARER = """\
currency: USD
date: 2026-11-01
source: a bill
prices: {prompted_input: {price: 9, unit: 1M tokens}, prompted_output: {price: 9, unit: 1M tokens}}
"""


def changed(before: str, after: str, *overrides: str, prices: str | None = None) -> set[str]:
    """The instances that the second task has otherwise than the first, or that it alone has."""
    own = {"conf/prices/openai.yaml": prices} if prices else None
    one, two = compiled(before).plan, compiled(after, overrides=list(overrides), own=own).plan
    old = {i.name: (i.params, i.inputs) for i in one.instances}
    return {i.name for i in two.instances if old.get(i.name) != (i.params, i.inputs)}


def test_a_task_without_the_section_has_no_stage_for_it_and_no_price() -> None:
    found = compiled()
    assert "cost" not in {instance.name for instance in found.plan.instances}
    assert "costing" not in found.params_yaml and changed(MINIMAL, MINIMAL, prices=DEARER) == set()


def test_the_section_adds_one_stage_that_the_report_alone_reads() -> None:
    assert changed(MINIMAL, COST) == {"cost", "report"}


@pytest.mark.parametrize("override", ["cost.requests_per_month=9", "cost.hour=0.2", "cost.teacher.rows=10"])
def test_a_key_of_it_runs_nothing_else(override: str) -> None:
    assert changed(COST, COST, override) == {"cost"}


def test_a_price_runs_nothing_else() -> None:
    assert changed(COST, COST, prices=DEARER) == {"cost"}


def test_where_data_may_go_runs_nothing_at_all() -> None:
    assert changed(COST, COST, "cost.data_may_leave=false") == set()


def test_the_gate_gets_the_price_of_an_hour_and_no_other_stage_does() -> None:
    gated = COST.replace("threshold: 0.7", "threshold: 0.7\n  gates: {cost_per_1000: 0.05}")
    assert changed(COST, gated) == {"gate"}
    assert params(compiled(gated), "gate")["hour"] == 0.1 and "hour" not in params(compiled(COST), "gate")


def test_an_hour_of_one_s_own_stands_for_one_s_own_machines_alone() -> None:
    rates = params(compiled(f"{MINIMAL}cost: {{hour: 0.3, serve_on: together}}\n"), "cost")["rates"]
    assert (rates["train"]["machine"], rates["serve"]["machine"]) == (0.3, 3.36)


TEACHER = "generate: {teacher: {endpoint: https://a.example/v1, model: big}, rows: [{tag: boundary, count: 9}]"


@pytest.mark.parametrize(
    ("judge", "apart"),
    [
        ("", False),
        (", judge: {endpoint: https://a.example/v1, model: big}", False),
        (", judge: {endpoint: https://b.example/v1}", True),
        (", judge: {model: small}", True),
        (", judge: {model: small, enabled: false}", False),
    ],
)
def test_a_judge_of_rows_that_is_not_the_teacher_has_a_price_of_its_own(judge: str, apart: bool) -> None:
    rates = params(compiled(f"{COST}{TEACHER}{judge}}}\n"), "cost")["rates"]
    assert ("row_judge" in rates) is apart
    if apart:
        named = f"{MINIMAL}cost: {{teacher: {{provider: vertex, judge: bedrock}}}}\n{TEACHER}{judge}}}\n"
        rates = params(compiled(named), "cost")["rates"]
        assert (rates["teacher"]["list"], rates["row_judge"]["list"]) == ("vertex", "bedrock")
        assert "unnamed" not in rates["teacher"] | rates["row_judge"]


def test_a_price_list_that_nothing_names_is_marked_with_the_key_that_would() -> None:
    rates = params(compiled(f"{COST}{TEACHER}, judge: {{model: small}}}}\n"), "cost")["rates"]
    told = {who: rates[who]["unnamed"] for who in ("teacher", "row_judge")}
    assert told == {"teacher": "cost.teacher.provider", "row_judge": "cost.teacher.judge"}


def test_variants_of_a_sweep_share_the_one_stage() -> None:
    found = compiled(f"{COST}sweep: {{training.batch_size: [4, 8]}}\n")
    assert [instance.name for instance in found.plan.instances if instance.stage.name == "cost"] == ["cost"]
    assert set(params(found, "cost")["batch_size"].values()) == {4, 8}
