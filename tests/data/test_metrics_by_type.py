"""Metrics by task type: against scikit-learn, seqeval, sacrebleu and rouge-score, and at their ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.answers import Answer
from stages.catalog import Metric, members
from stages.contract import Contract
from stages.judging import Judged, judge, measure
from stages.metrics import tree_score
from stages.rows import Row
from stages.schemas import kinds
from stages.terms import Terms

METRICS = members("stages.metrics", "METRIC", Metric)
SETTINGS = settings(max_examples=50, deadline=None)
LABELS = "abcd"
pairs = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=40)
words = st.lists(st.sampled_from(["the", "a", "cat", "sat", "mat", "on", "."]), min_size=1, max_size=9).map(" ".join)


def judged(gold: Any, said: Any, **given: Any) -> Judged:
    return Judged("id", gold, said, str(said), True, True, **{"read": said is not None, **given})


def value(name: str, *rows: Judged) -> float | None:
    metric = METRICS[name]
    counts = metric.counts(rows)
    return None if counts is None else float(metric.value(np.asarray(counts, dtype=float).sum(axis=0)))


# ---------------------------------------------------------------- classification


@SETTINGS
@given(pairs)
def test_class_figures_agree_with_scikit_learn(found: list[tuple[str, str]]) -> None:
    from sklearn.metrics import confusion_matrix, f1_score, recall_score

    gold, said = zip(*found, strict=True)
    rows = [judged(g, s) for g, s in found]
    weighted = f1_score(gold, said, average="weighted", zero_division=0)
    assert value("weighted_f1", *rows) == pytest.approx(weighted, abs=1e-9)
    recall = recall_score(gold, said, labels=sorted(set(gold)), average="macro", zero_division=0)
    assert value("false_negative_rate", *rows) == pytest.approx(1 - recall, abs=1e-9)
    matrix = confusion_matrix(gold, said, labels=[*sorted({*gold, *said}), "z"])[:-1, :-1]
    false, others = matrix.sum(axis=0) - matrix.diagonal(), matrix.sum() - matrix.sum(axis=1)
    rates = [f / o for f, o in zip(false, others, strict=True) if o]
    assert value("false_positive_rate", *rows) == pytest.approx(np.mean(rates) if rates else 0.0, abs=1e-9)


def test_calibration_is_the_distance_of_probability_and_share() -> None:
    rows = [judged("a", "a", confidence=0.95)] * 3 + [judged("a", "b", confidence=0.95)]
    assert value("ece", *rows) == pytest.approx(0.2)
    assert value("ece", judged("a", "a", confidence=1.0)) == 0.0
    assert value("ece", judged("a", "a")) is None, "without probabilities there is nothing to calibrate"


# ---------------------------------------------------------------- extraction

tagged = st.lists(
    st.lists(st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]), min_size=5, max_size=5), min_size=1, max_size=6
)


def spans(tags: list[str]) -> list[dict[str, Any]]:
    from seqeval.metrics.sequence_labeling import get_entities

    return [{"type": kind, "start": start, "end": end} for kind, start, end in get_entities(tags)]


@SETTINGS
@given(tagged, tagged)
def test_entity_f1_agrees_with_seqeval(gold: list[list[str]], said: list[list[str]]) -> None:
    import warnings

    from seqeval.metrics import f1_score

    gold, said = gold[: min(len(gold), len(said))], said[: min(len(gold), len(said))]
    rows = [judged(spans(g), spans(s)) for g, s in zip(gold, said, strict=True)]
    if not any(spans(tags) for tags in (*gold, *said)):
        assert value("entity_f1", *rows) == 1.0
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert value("entity_f1", *rows) == pytest.approx(f1_score(gold, said), abs=1e-9)


def test_a_rare_field_weighs_as_much_as_a_frequent_one() -> None:
    rows = [judged({"a": "1"}, {"a": "1"})] * 9 + [judged({"b": "1"}, {"b": "2"})]
    assert value("field_macro_f1", *rows) == 0.5
    assert value("field_macro_f1", judged({}, {})) is None


@pytest.mark.parametrize(
    ("gold", "said", "expected"),
    [
        ({"iban": "1", "note": "x"}, {"iban": "1", "note": "y"}, 1.0),
        ({"iban": "1"}, {"iban": "2"}, 0.0),
        ({"iban": "1"}, {}, 0.0),
        ({}, {"iban": "1"}, 0.0),
        ({"iban": None}, {}, 0.0),
        ({"note": "x"}, {"note": "y"}, None),
        ("text", "text", None),
    ],
)
def test_critical_fields_must_be_right(gold: Any, said: Any, expected: float | None) -> None:
    assert value("critical_fields", judged(gold, said, terms=Terms(critical_fields=("iban",)))) == expected


# ---------------------------------------------------------------- structured


def test_null_can_be_read_and_what_cannot_be_read_is_told_apart() -> None:
    assert value("parse_rate", judged(None, None, read=True), judged(None, None, read=False)) == 0.5


@pytest.mark.parametrize(
    ("said", "keys", "tree"),
    [
        ({"a": 1, "b": [{"c": 2}]}, 1.0, 1.0),
        ({"a": 9, "b": [{"c": 2}]}, 1.0, 1 - 1 / 10),
        ({"a": 1, "b": []}, 0.0, 1 - 2 / 8),
        ({}, 0.0, 1 - 4 / 6),
    ],
)
def test_json_is_compared_by_its_keys_and_as_a_tree(said: Any, keys: float, tree: float) -> None:
    row = judged({"a": 1, "b": [{"c": 2}]}, said)
    assert value("key_match", row) == keys and value("tree_score", row) == pytest.approx(tree)


json_values = st.recursive(
    st.sampled_from([1, 2, "x", None, True]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)


@SETTINGS
@given(json_values, json_values, json_values)
def test_the_tree_distance_is_a_distance(a: Any, b: Any, c: Any) -> None:
    x, y, z = (tree_score.tree(value) for value in (a, b, c))
    assert tree_score.distance(x, x) == 0
    assert tree_score.distance(x, y) == tree_score.distance(y, x) <= len(x.labels) + len(y.labels)
    assert tree_score.distance(x, z) <= tree_score.distance(x, y) + tree_score.distance(y, z)


def test_a_huge_answer_is_compared_in_linear_time() -> None:
    big = {str(n): n for n in range(5000)}
    assert value("tree_score", judged(big, {**big, "0": "off"})) == pytest.approx(0.9998)


# ---------------------------------------------------------------- tools

BOOK = {"name": "book", "arguments": {"n": 2, "note": "window"}}
SCHEMA = {
    "anyOf": [{"properties": {"name": {"const": "book"}, "arguments": {"type": "object", "required": ["n"]}}}],
}


@pytest.mark.parametrize(
    ("gold", "said", "expected"),
    [
        (BOOK, {"name": "book", "arguments": {"n": 2}}, 1.0),
        (BOOK, {"name": "book", "arguments": {"n": 3, "note": "window"}}, 0.0),
        (BOOK, {"name": "cancel", "arguments": {"n": 2}}, 0.0),
        (BOOK, None, 0.0),
        (None, BOOK, None),
    ],
)
def test_only_required_arguments_must_be_right(gold: Any, said: Any, expected: float | None) -> None:
    assert value("argument_accuracy", judged(gold, said, schema=SCHEMA)) == expected


def test_calling_nothing_is_an_answer() -> None:
    none = {"name": "none", "arguments": {}}
    rows = [judged(none, none), judged(none, BOOK), judged(BOOK, none), judged(BOOK, BOOK), judged(BOOK, None)]
    assert value("no_call_precision", *rows) == 0.5 and value("no_call_recall", *rows) == 0.5
    assert value("no_call_recall", judged(BOOK, BOOK)) is None
    assert value("executable", *rows) == pytest.approx(2 / 4)


def test_an_unsafe_call_that_was_asked_for_is_no_harm() -> None:
    terms = Terms(unsafe_tools=("transfer",))
    harm = {"name": "transfer", "arguments": {}}
    rows = [judged(harm, harm, terms=terms), judged(BOOK, harm, terms=terms), judged(BOOK, BOOK, terms=terms)]
    assert value("unsafe_calls", *rows) == pytest.approx(1 / 3)


# ---------------------------------------------------------------- texts


@SETTINGS
@given(st.lists(st.tuples(words, words), min_size=1, max_size=8))
def test_bleu_and_rouge_agree_with_their_libraries(found: list[tuple[str, str]]) -> None:
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu import corpus_bleu

    rows = [judged(gold, said) for gold, said in found]
    gold, said = ([pair[side] for pair in found] for side in (0, 1))
    assert value("bleu", *rows) == pytest.approx(corpus_bleu(said, [gold]).score / 100, abs=1e-9)
    scorer = RougeScorer(["rouge1", "rouge2"])
    for kind, name in (("rouge1", "rouge_1"), ("rouge2", "rouge_2")):
        mean = np.mean([scorer.score(g, s)[kind].fmeasure for g, s in found])
        assert value(name, *rows) == pytest.approx(mean, abs=1e-9)


@pytest.mark.parametrize(
    ("gold", "said", "ratio"), [("abcd", "ab", 0.5), ("ab", "abcd", 0.5), ("", "", 1.0), ("a", None, 0.0)]
)
def test_length_ratio_is_the_shorter_over_the_longer(gold: str, said: Any, ratio: float) -> None:
    assert value("length_ratio", judged(gold, said)) == ratio


def test_constraints_are_those_that_the_task_names() -> None:
    terms = Terms(must_match=("^Dear",), must_not_match=("(?i)lawyer",), max_words=3)
    said = ["Dear guest", "Hello", "Dear Lawyer", "Dear a b c"]
    assert value("constraint_pass", *(judged("", text, terms=terms) for text in said)) == 0.25
    assert value("constraint_pass", judged("", "x")) is None


@pytest.mark.parametrize(
    ("gold", "said", "exact", "f1"),
    [
        ("The Eiffel Tower", "eiffel tower.", 1.0, 1.0),
        ("red car", "red bus", 0.0, 0.5),
        ("台北市", "台北", 0.0, 0.8),
        ("", "", 1.0, 1.0),
        ("x", None, 0.0, 0.0),
    ],
)
def test_short_answers_are_compared_as_squad_has_it(gold: str, said: Any, exact: float, f1: float) -> None:
    assert value("qa_exact", judged(gold, said)) == exact and value("qa_f1", judged(gold, said)) == pytest.approx(f1)


def test_an_answer_to_what_has_none_is_made_up() -> None:
    terms = Terms(unanswerable=("不知道", "no answer"))
    rows = [("", "in 1990"), ("不知道", "不知道"), ("no answer", "No answer."), ("in 1990", "in 1991")]
    assert value("hallucination_rate", *(judged(g, s, terms=terms) for g, s in rows)) == pytest.approx(1 / 3)


def test_a_quotation_must_stand_in_the_input() -> None:
    source = {"context": "The museum opens at nine, and is free on Mondays."}
    rows = [
        judged("", 'It says "opens at nine".', input=source),
        judged("", "It says “closes at five”.", input=source),
        judged("", "It is free.", input=source),
        judged({}, {"quote": "free on Mondays"}, input=source),
    ]
    assert value("citation_support", *rows) == pytest.approx(2 / 3)


# ---------------------------------------------------------------- policy, planning, preference, and endings


def test_violations_are_found_whichever_they_are_and_weigh_by_severity() -> None:
    terms = Terms(harmless_label="fine", severity={"theft": 9.0})
    rows = [("fine", "fine"), ("fine", "spam"), ("spam", "theft"), ("theft", "fine")]
    found = [judged(g, s, terms=terms) for g, s in rows]
    assert value("violation_recall", *found) == 0.5 and value("false_refusal_rate", *found) == 0.5
    assert value("severity_recall", *found) == pytest.approx(1 / 10)
    assert value("violation_recall", judged("none", "none")) is None, "a label called none is harmless by its name"


@pytest.mark.parametrize(
    ("said", "valid", "order"),
    [(["a", "b", "c"], 1.0, 1.0), (["c", "b", "a"], 1.0, 1 / 3), (["a", "x"], 0.5, 1 / 3), ([], 0.0, 0.0)],
)
def test_a_plan_is_judged_by_its_steps_and_by_their_order(said: list[str], valid: float, order: float) -> None:
    row = judged({"steps": ["a", "b", "c"]}, {"steps": said})
    assert value("step_validity", row) == valid and value("sequence_accuracy", row) == pytest.approx(order)


def test_a_preference_is_right_where_the_better_answer_is_likelier() -> None:
    rows = [judged("", "", margin=margin) for margin in (2.0, -1.0, 0.0)]
    assert value("pair_accuracy", *rows) == 0.5
    assert value("reward_margin", *rows) == pytest.approx((np.tanh(1) + np.tanh(-0.5)) / 3)
    assert value("pair_accuracy", judged("", "")) is None


@pytest.mark.parametrize(
    ("text", "finish", "away"),
    [("fine", "stop", 0.0), ("cut", "length", 1.0), ("so on and " * 9, "stop", 1.0), ("a, b, c, d, e, f", "stop", 0.0)],
)
def test_an_answer_runs_away_when_it_is_cut_or_repeats_itself(text: str, finish: str, away: float) -> None:
    assert value("runaway_rate", judged("", text, free=text, finish=finish)) == away


def test_every_metric_is_named_as_its_file_and_reads_no_row_wrong() -> None:
    for name, metric in METRICS.items():
        assert metric.counts.__module__.startswith("stages.metrics")
        assert metric.fits and metric.summary and metric.low < metric.high, name


CALL = {"properties": {"name": {"const": "f"}, "arguments": {"type": "object"}}, "required": ["name", "arguments"]}
DEGENERATE: dict[str, tuple[Contract, list[tuple[Any, str]]]] = {
    "one class, right": (Contract(type="label", schema_={"enum": ["a"]}), [("a", "a")] * 4),
    "one class, wrong": (Contract(type="label", schema_={"enum": ["a", "b"]}), [("a", "b")] * 4),
    "no label at all": (Contract(type="label", schema_={"enum": ["a", "none"]}), [("none", "")] * 3),
    "nothing to read": (Contract(type="json", schema_={"type": "object"}), [({"x": "1"}, "{"), ({}, "{}")]),
    "empty lists": (Contract(type="json", schema_={"type": "array"}), [([], "[]"), (["a"], "[]")]),
    "empty texts": (Contract(type="text", schema_=None), [("", ""), ("a", "")]),
    "no call": (
        Contract(type="json", schema_={"anyOf": [CALL]}),
        [({"name": "f", "arguments": {}}, "null"), (None, "null")],
    ),
}


@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.parametrize("name", METRICS)
def test_a_degenerate_split_has_a_figure_in_range_or_none(name: str, case: str) -> None:
    contract, said = DEGENERATE[case]
    metric = METRICS[name]
    if not kinds(contract.type, contract.schema_) & set(metric.fits):
        return
    rows = [Row(f"{n}", {"text": "t"}, gold) for n, (gold, _) in enumerate(said)]
    sure = 0.7 if contract.type == "label" else None
    answers = [Answer(f"{n}", text, text, 1, "stop", sure) for n, (_, text) in enumerate(said)]
    found = measure(judge(rows, answers, contract), metric, confidence=0.95, resamples=100)
    if found is not None:
        low, high, margin = metric.low, metric.high, 1e-9
        assert low - margin <= found.low <= found.value <= found.high <= high + margin
        assert np.isfinite([found.value, found.low, found.high, found.bound]).all()
