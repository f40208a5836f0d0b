"""Metrics and their intervals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.answers import Answer
from stages.catalog import Metric, members
from stages.contract import Contract
from stages.details import details
from stages.diagnostics import UserError
from stages.equality import same
from stages.judging import Figure, Judged, No, by_chance, difference, judge, measure
from stages.metrics import slot_f1
from stages.rows import Row
from stages.scoring import duel
from stages.statistics import mcnemar, rows_needed

METRICS = members("stages.metrics", "METRIC", Metric)
LABELS = "abcdefg"
SETTINGS = settings(max_examples=80, deadline=None)
pairs = st.lists(st.tuples(st.sampled_from(LABELS[:4]), st.sampled_from(LABELS)), min_size=1, max_size=40)


def judged(gold: Any, said: Any, *, valid: bool = True, free: bool = True) -> Judged:
    return Judged("id", gold, said, str(said), valid, free)


def value(name: str, rows: list[Judged]) -> float:
    metric = METRICS[name]
    return float(metric.value(np.asarray(metric.counts(rows)).sum(axis=0)))


@SETTINGS
@given(pairs)
def test_label_metrics_agree_with_scikit_learn(found: list[tuple[str, str]]) -> None:
    from sklearn.metrics import accuracy_score, f1_score

    gold, said = zip(*found, strict=True)
    rows = [judged(g, s) for g, s in found]
    assert value("accuracy", rows) == pytest.approx(accuracy_score(gold, said), abs=1e-9)
    assert value("macro_f1", rows) == pytest.approx(f1_score(gold, said, average="macro", zero_division=0), abs=1e-9)


@pytest.mark.parametrize(
    ("rows", "accuracy", "macro_f1"),
    [
        ([("a", "a")], 1.0, 1.0),
        ([("a", "b")], 0.0, 0.0),
        ([("a", "a"), ("a", "a")], 1.0, 1.0),
        ([("a", "a"), ("b", "a")], 0.5, 1 / 3),
        ([("a", "nonsense")], 0.0, 0.0),
        ([("a", None)], 0.0, 0.0),
    ],
)
def test_label_metrics_at_their_ends(rows: list[tuple[str, Any]], accuracy: float, macro_f1: float) -> None:
    found = [judged(gold, said) for gold, said in rows]
    assert value("accuracy", found) == accuracy
    assert value("macro_f1", found) == pytest.approx(macro_f1, abs=1e-12)


@pytest.mark.parametrize(
    ("gold", "said", "expected"),
    [
        ({"time": "7pm", "people": "2"}, {"time": "7pm", "people": "2"}, (2, 2, 2)),
        ({"time": "7pm", "people": "2"}, {"time": "7pm"}, (1, 1, 2)),
        ({"time": "7pm"}, {"time": "7PM"}, (0, 1, 1)),
        ({"time": "7pm"}, {"people": "7pm"}, (0, 1, 1)),
        ({"dish": ["a", "b"]}, {"dish": ["b", "c"]}, (1, 2, 2)),
        ({"dish": ["a", "a"]}, {"dish": ["a"]}, (1, 1, 2)),
        ({"dish": "a"}, {"dish": ["a"]}, (1, 1, 1)),
        ({"n": 1}, {"n": "1"}, (1, 1, 1)),
        ({}, {}, (0, 0, 0)),
        ({}, {"time": "7pm"}, (0, 1, 0)),
        ({"time": "7pm"}, None, (0, 0, 1)),
        ({"time": "7pm"}, "7pm", (0, 0, 1)),
    ],
)
def test_slots_are_counted_as_pairs_of_field_and_value(gold: Any, said: Any, expected: tuple[int, int, int]) -> None:
    assert tuple(slot_f1.counts([judged(gold, said)])[0]) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([({"a": "1", "b": "2"}, {"a": "1", "b": "2"}), ({"a": "1"}, {"a": "2"})], 2 * 2 / 6),
        ([({}, {})], 1.0),
        ([({"a": "1"}, {})], 0.0),
        ([({"a": "1"}, {"a": "1"}), ({}, {"b": "x"})], 2 / 3),
    ],
)
def test_slot_f1_is_micro_averaged(rows: list[tuple[Any, Any]], expected: float) -> None:
    assert value("slot_f1", [judged(gold, said) for gold, said in rows]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        ([1, [True]], [1, [1]], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": None}, {}, False),
        ("1", 1, False),
        (None, None, True),
        ([1, 2], [2, 1], False),
    ],
)
def test_answers_are_equal_as_json_has_it(a: Any, b: Any, equal: bool) -> None:
    assert same(a, b) is equal and same(b, a) is equal


def test_validity_is_counted_for_what_is_delivered_and_for_what_is_said_freely() -> None:
    rows = [judged("a", "a"), judged("a", "a", free=False), judged("a", "x", valid=False, free=False)]
    assert (value("schema_validity", rows), value("free_validity", rows)) == (
        pytest.approx(2 / 3),
        pytest.approx(1 / 3),
    )


@SETTINGS
@given(pairs, st.sampled_from(["accuracy", "macro_f1", "exact_match"]))
def test_an_interval_is_ordered_and_lies_in_the_metrics_range(found: list[tuple[str, str]], name: str) -> None:
    figure = measure([judged(g, s) for g, s in found], METRICS[name], confidence=0.95, resamples=200)
    assert 0 <= figure.low <= figure.bound <= figure.high <= 1
    assert figure.low <= figure.value + 1e-12 or name == "macro_f1"


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "exact_match"])
def test_an_interval_contains_the_value_and_is_the_same_every_time(name: str) -> None:
    chance = np.random.default_rng(0)
    rows = [judged(g, g if chance.random() < 0.8 else "a") for g in chance.choice(list("abcd"), 300)]
    first, again = (measure(rows, METRICS[name], confidence=0.95, resamples=1000) for _ in range(2))
    assert first == again
    assert first.low < first.value < first.high and 0.02 < first.high - first.low < 0.2


def test_the_interval_of_a_share_is_as_wide_as_theory_says() -> None:
    rows = [judged("a", "a")] * 320 + [judged("a", "b")] * 80
    figure = measure(rows, METRICS["accuracy"], confidence=0.95, resamples=4000)
    deviation = (0.8 * 0.2 / 400) ** 0.5
    assert figure.low == pytest.approx(0.8 - 1.96 * deviation, abs=0.006)
    assert figure.high == pytest.approx(0.8 + 1.96 * deviation, abs=0.006)
    assert figure.bound == pytest.approx(0.8 - 1.645 * deviation, abs=0.006)


@pytest.mark.parametrize("name", ["macro_f1", "accuracy"])
def test_a_few_rows_without_a_miss_are_no_certainty(name: str) -> None:
    """Exactly: of 6 right answers out of 6, a share of 0.61 is what 95% (one-sided) leave open."""
    figure = measure([judged("a", "a")] * 6, METRICS[name], confidence=0.95, resamples=500)
    assert (figure.value, figure.high) == (1, 1)
    assert 0.5 < figure.low < figure.bound < 0.75


def calls(counted: int, groups: int | None) -> list[Judged]:
    """300 right rows, of which the first ones expect no call; in so many groups, one row after the other."""
    names = [None if groups is None else str(place % groups) for place in range(300)]
    said = [None if place < counted else {"name": "book"} for place in range(300)]
    return [replace(judged(call, call), group=name) for call, name in zip(said, names, strict=True)]


@pytest.mark.parametrize(
    ("counted", "groups", "bound"),
    [(3, None, 0.526), (3, 5, 0.526), (3, 300, 0.526), (20, None, 0.881), (20, 5, 0.649), (20, 300, 0.881)],
)
def test_a_metric_without_a_miss_is_as_sure_as_what_counts_for_it(
    counted: int, groups: int | None, bound: float
) -> None:
    """Rows that do not count tell nothing, and those of one group tell once: 20 rows in 5 groups as much as 5."""
    figure = measure(calls(counted, groups), METRICS["no_call_recall"], confidence=0.95, resamples=1000)
    assert (figure.value, figure.high) == (1, 1)
    assert figure.bound == pytest.approx(bound, abs=5e-4) and figure.low < figure.bound


@pytest.mark.parametrize(("groups", "bound"), [(None, 0.991), (300, 0.991), (5, 0.649)])
def test_rows_of_one_group_are_one_witness(groups: int | None, bound: float) -> None:
    figure = measure(calls(0, groups), METRICS["exact_match"], confidence=0.95, resamples=1000)
    assert (figure.value, figure.bound) == (1, pytest.approx(bound, abs=5e-4))


def test_a_figure_knows_how_many_rows_and_groups_count_for_it() -> None:
    sure = {"confidence": 0.95, "resamples": 200}
    recall, exact = METRICS["no_call_recall"], METRICS["exact_match"]
    missed = [replace(row, said={"name": "book"}) for row in calls(20, None)]
    assert measure(calls(20, None), recall, **sure).units == 20
    assert measure([*missed, *calls(10, None)], recall, **sure).units == 30
    assert difference(calls(20, None), missed, recall, **sure).units == 20
    assert measure(calls(20, 5), exact, **sure).units == measure(calls(20, 5), recall, **sure).units == 5


def test_a_metric_that_no_row_counts_for_is_hardly_sure() -> None:
    figure = measure([judged({}, {})] * 300, METRICS["slot_f1"], confidence=0.95, resamples=200)
    assert figure.value == 1 and figure.bound < 0.3


def test_a_lead_is_resampled_in_pairs() -> None:
    gold = [judged("a", "a")] * 50 + [judged("a", "b")] * 50
    better = [judged("a", "a")] * 60 + [judged("a", "b")] * 40
    lead = difference(better, gold, METRICS["accuracy"], confidence=0.95, resamples=500)
    assert 0 < lead.low < 0.1 < lead.high and lead.value == pytest.approx(0.1)


def grouped(hits: list[list[bool]]) -> list[Judged]:
    """Rows of which these are right, group by group."""
    return [replace(judged("a", "a" if hit else "b"), group=str(g)) for g, of in enumerate(hits) for hit in of]


def test_a_lead_that_is_the_same_everywhere_is_no_certainty() -> None:
    """Of 100 rows alike, up to 3.7% may be unlike them (95%, two-sided); in 4 groups, up to 49%."""
    gold = [judged("a", "a")] * 50 + [judged("a", "b")] * 50
    alike = difference(gold, gold, METRICS["accuracy"], confidence=0.95, resamples=200)
    assert alike.value == 0 and -alike.low == pytest.approx(alike.high) == pytest.approx(0.037, abs=1e-3)
    halves, none = grouped([[True, False]] * 4), grouped([[False, False]] * 4)
    lead = difference(halves, none, METRICS["accuracy"], confidence=0.95, resamples=200)
    assert lead.value == 0.5 and (lead.low, lead.high) == (
        pytest.approx(-0.235, abs=1e-3),
        pytest.approx(0.745, abs=1e-3),
    )
    assert lead.low < lead.bound < 0.5


def led(rows: int, by: float) -> tuple[list[Judged], list[Judged]]:
    """Two systems of which each row prefers the one by as much."""
    one = judged("a", "a")
    return [replace(one, preferred=0.5 + by / 2)] * rows, [replace(one, preferred=0.5 - by / 2)] * rows


@pytest.mark.parametrize(("rows", "by"), [(3, 0.3), (5, 0.05), (5, 0.3), (12, 0.1), (40, 0.05)])
def test_as_many_rows_as_are_said_to_be_needed_show_a_lead_that_all_rows_have(rows: int, by: float) -> None:
    """One less does not."""

    def of(many: int) -> Figure:
        found = difference(*led(many, by), METRICS["preference"], confidence=0.95, resamples=300)
        assert found is not None and found.alike
        return found

    lead = of(rows)
    assert lead.bound < 0
    needed = rows_needed(lead.value, lead.bound, 0.0, rows, lead.units, 0.95, alike=lead.alike)
    by_the_root = rows_needed(lead.value, lead.bound, 0.0, rows, lead.units, 0.95)
    assert needed is not None and of(needed).bound >= -1e-9 > of(needed - 1).bound
    assert by_the_root is not None and by_the_root > needed  # which is for rows that differ


def test_a_figure_whose_rows_differ_is_not_alike() -> None:
    a, b = led(8, 0.2)
    differing = [replace(b[0], preferred=0.9), *b[1:]]
    found = difference(a, differing, METRICS["preference"], confidence=0.95, resamples=300)
    assert found is not None and not found.alike and "alike" not in found.json()


def test_the_chance_of_a_lead_is_that_of_its_permutations() -> None:
    """Of four rows that one side alone has right, 2 of 16 ways to change places part as far; of 2 groups 2 of 4."""
    right, wrong = [judged("a", "a")] * 4, [judged("a", "b")] * 4
    assert by_chance(right, wrong, METRICS["accuracy"], resamples=20_000) == pytest.approx(2 / 16, abs=0.01)
    two = [replace(j, group=str(n // 2)) for n, j in enumerate(right)]
    assert by_chance(two, wrong, METRICS["accuracy"], resamples=20_000) == pytest.approx(2 / 4, abs=0.01)
    assert by_chance(right, right, METRICS["macro_f1"], resamples=100) == 1


def test_a_change_of_places_that_leaves_a_side_nothing_to_count_makes_no_lead_surer() -> None:
    """Calls count for a system that makes one: of four ways to change places, two leave one side none."""
    call = {"name": "book"}
    a = [judged(None, call), judged(None, None)]
    b = [judged(None, None), judged(None, call, valid=False)]
    assert by_chance(a, b, METRICS["executable"], resamples=200) == 1


def test_a_lead_is_told_from_chance_where_no_row_is_right_whole() -> None:
    """As McNemar's test cannot: of free texts hardly one is, of either system."""
    near = [judged("a b c d e f", "a b c d e x")] * 20
    far = [judged("a b c d e f", "a x y z v w")] * 20
    assert by_chance(near, far, METRICS["rouge_1"], resamples=500) < 0.01
    assert duel(near, far)["p"] == 1


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (1, 0), (7, 7), (30, 12), (400, 511), (20_400, 20_000)])
def test_mcnemars_p_is_the_exact_binomials(won: int, lost: int) -> None:
    from scipy.stats import binomtest

    assert mcnemar(won, lost) == pytest.approx(binomtest(won, won + lost).pvalue if won + lost else 1)


def test_one_group_says_nothing_of_others() -> None:
    for name in ("accuracy", "macro_f1"):
        one = measure(grouped([[True, False, True, True] * 50]), METRICS[name], confidence=0.95, resamples=200)
        assert one.low < 0.2 and one.high > 0.8 and one.units == 1


def test_few_groups_without_each_of_which_the_figure_is_the_same_are_no_certainty() -> None:
    """Two groups that each know one label alone: without either, macro F1 is 1/3 and not 1/2."""
    known = [replace(judged(gold, said), group=said) for said in "ab" for gold in "ab"]
    figure = measure(known, METRICS["macro_f1"], confidence=0.95, resamples=200)
    assert figure.value == 0.5 and figure.low < 1 / 3 and figure.high > 2 / 3


@pytest.mark.parametrize(("name", "groups"), [("accuracy", 3), ("macro_f1", 3), ("macro_f1", 12)])
def test_intervals_over_few_groups_hold_what_they_should(name: str, groups: int) -> None:
    chance, sure = np.random.default_rng(0), {"confidence": 0.95, "resamples": 200}
    truth = measure(two_systems(chance, 3000)[0], METRICS[name], confidence=0.95, resamples=2).value
    figures = [measure(two_systems(chance, groups)[0], METRICS[name], **sure) for _ in range(200)]
    assert np.mean([figure.low <= truth <= figure.high for figure in figures]) > 0.915
    assert np.mean([figure.bound <= truth for figure in figures]) > 0.915


def test_leads_over_few_groups_hold_what_they_should() -> None:
    chance, sure = np.random.default_rng(0), {"confidence": 0.95, "resamples": 200}
    leads = [difference(*two_systems(chance, 3), METRICS["accuracy"], **sure) for _ in range(200)]
    assert np.mean([lead.low <= 0 <= lead.high for lead in leads]) > 0.915
    assert np.mean([lead.bound <= 0 for lead in leads]) > 0.915


def two_systems(chance: np.random.Generator, groups: int) -> tuple[list[Judged], list[Judged]]:
    """Both have 70% of the rows right, in some groups of 1 to 7 rows more and in others fewer."""
    sizes = chance.integers(1, 8, groups)
    gold = [replace(judged("ab"[n % 2], ""), group=str(g)) for g, many in enumerate(sizes) for n in range(many)]
    rates = np.repeat(chance.beta(1.6, 0.7, (2, groups)), sizes, axis=1)
    return tuple(  # type: ignore[return-value]
        [replace(j, said=j.gold if right else {"a": "b", "b": "a"}[j.gold]) for j, right in zip(gold, of, strict=True)]
        for of in chance.random(rates.shape) < rates
    )


CONTRACT = Contract(type="json", schema_={"type": "object", "required": ["a"]})


@pytest.mark.parametrize(
    ("text", "free", "said", "valid", "free_valid"),
    [
        ('{"a": 1}', '{"a": 1}', {"a": 1}, True, True),
        ('{"a": 1}', "Sure!", {"a": 1}, True, False),
        ('{"b": 1}', '{"b": 1}', {"b": 1}, False, False),
        ("Sure!", "Sure!", None, False, False),
        ("null", '{"a": 1}', None, False, True),
    ],
)
def test_an_answer_is_judged_by_what_was_delivered(
    text: str, free: str, said: Any, valid: bool, free_valid: bool
) -> None:
    (found,) = judge([Row("r", {}, {"a": 1})], [Answer("r", text, free, 1, "stop")], CONTRACT)
    assert (found.said, found.valid, found.free_valid) == (said, valid, free_valid)


def test_a_row_without_an_answer_is_an_error() -> None:
    with pytest.raises(UserError, match="1 row has no prediction, lost first"):
        judge([Row("lost", {}, {})], [], CONTRACT)


def test_an_answer_that_is_null_is_valid_where_the_contract_allows_it() -> None:
    (found,) = judge([Row("r", {}, None)], [Answer("r", "null", "null", 1, "stop")], Contract(type="json", schema_={}))
    assert found.valid


words = st.lists(st.sampled_from(["the", "a", "cat", "sat", "mat", "餐", "厅", "."]), max_size=8).map(" ".join)


@SETTINGS
@given(st.lists(st.tuples(words, words), min_size=1, max_size=10))
def test_text_metrics_agree_with_their_libraries(found: list[tuple[str, str]]) -> None:
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu import sentence_chrf

    rows = [judged(gold, said) for gold, said in found]
    chrf = np.mean([sentence_chrf(said, [gold]).score / 100 for gold, said in found])
    assert value("chrf", rows) == pytest.approx(chrf, abs=1e-9)
    latin = [(gold, said) for gold, said in found if gold.isascii() and said.isascii()]
    if latin:
        scorer = RougeScorer(["rougeL"])
        rouge = np.mean([scorer.score(gold, said)["rougeL"].fmeasure for gold, said in latin])
        assert value("rouge_l", [judged(gold, said) for gold, said in latin]) == pytest.approx(rouge, abs=1e-9)


@pytest.mark.parametrize(
    ("gold", "said", "score"),
    [("正面评价", "正面评价", 1.0), ("正面", "负面", 0.5), ("a", None, 0.0), ("a b", "b a", 0.5)],
)
def test_rouge_counts_a_character_as_a_word_where_words_have_no_blanks(gold: str, said: Any, score: float) -> None:
    assert value("rouge_l", [judged(gold, said)]) == pytest.approx(score)


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ({"name": "book", "arguments": {"n": 3}}, 1.0),
        ({"name": "cancel", "arguments": {"n": 2}}, 0.0),
        (None, 0.0),
        ("book", 0.0),
    ],
)
def test_tool_accuracy_looks_at_the_tool_alone(said: Any, right: float) -> None:
    assert value("tool_accuracy", [judged({"name": "book", "arguments": {"n": 2}}, said)]) == right


@pytest.mark.parametrize("gold", [None, {"name": "none", "arguments": {}}])
@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("null", 1.0),
        ('{"name": "none", "arguments": {}}', 1.0),
        ('{"name": "book", "arguments": {}}', 0.0),
        ('"book"', 0.0),
        ("I would call none.", 0.0),
    ],
)
def test_where_no_tool_should_be_called_every_way_to_say_so_is_right(gold: Any, text: str, right: float) -> None:
    found = judge([Row("r", {}, gold)], [Answer("r", text, text, 1, "stop")], Contract(type="json", schema_={}))
    assert (value("tool_accuracy", found), value("no_call_recall", found)) == (right, right)


@pytest.mark.parametrize(("text", "right"), [("null", True), ("Sure!", False), ("{}", False)])
def test_an_answer_that_cannot_be_read_is_wrong_where_null_is_right(text: str, right: bool) -> None:
    (found,) = judge([Row("r", {}, None)], [Answer("r", text, text, 1, "stop")], Contract(type="json", schema_={}))
    assert found.right is right and value("exact_match", [found]) == right


def test_a_label_inside_json_is_judged_as_a_label() -> None:
    schema = {"type": "object", "properties": {"mood": {"enum": ["good", "bad"]}, "why": {"type": "string"}}}
    contract = Contract(type="json", schema_=schema)
    rows = [Row("1", {}, {"mood": "good", "why": "a"}), Row("2", {}, {"mood": "bad"}), Row("3", {}, {"mood": "bad"})]
    said = ['{"mood": "good", "why": "other words"}', '{"mood": "good"}', "no JSON"]
    found = judge(rows, [Answer(str(n), text, text, 1, "stop") for n, text in enumerate(said, 1)], contract)
    assert [j.labels for j in found] == [("good", "good"), ("bad", "good"), ("bad", No.ANSWER)]
    assert value("accuracy", found) == pytest.approx(1 / 3)


@pytest.mark.parametrize("name", ["None", "(unreadable)", "(no label)"])
def test_an_answer_without_a_label_is_right_about_no_label_whatever_its_name(name: str) -> None:
    schema = {"type": "object", "properties": {"rule": {"enum": [name, "theft"]}}}
    contract, said = Contract(type="json", schema_=schema), ["Sure!", "{}", "[]", '{"rule": null}']
    found = judge(
        [Row(str(n), {}, {"rule": name}) for n in range(4)],
        [Answer(str(n), text, text, 1, "stop") for n, text in enumerate(said)],
        contract,
    )
    assert value("accuracy", found) == value("macro_f1", found) == value("weighted_f1", found) == 0
    assert details(found, (name, "theft"))["classes"][0]["recall"] == 0
    left_out = judge([Row("1", {}, {})] * 2, [Answer("1", "{}", "{}", 1, "stop")], contract)
    assert value("accuracy", left_out) == 1, "where no label is expected, none is right"


@pytest.mark.parametrize("text", ["Sure!", '{"rule": "arson"}', "{}"])
def test_an_answer_that_says_no_label_finds_no_violation_and_is_not_harmless(text: str) -> None:
    schema = {"type": "object", "properties": {"rule": {"enum": ["none", "theft"]}}}
    rows = [Row("1", {}, {"rule": "none"}), Row("2", {}, {"rule": "theft"})]
    answers = [Answer(row.id, text, text, 1, "stop") for row in rows]
    found = judge(rows, answers, Contract(type="json", schema_=schema))
    assert value("violation_recall", found) == value("severity_recall", found) == 0
    assert value("false_refusal_rate", found) == 1
