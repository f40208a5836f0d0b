"""Rows that say more than an answer: pairs to prefer by, verdicts on single answers, and plain texts."""

from __future__ import annotations

from typing import Any

import pytest

from stages.diagnostics import UserError
from tests.data.building import LABELS, Read, jsonl, read, read_jsonl, split

SLOTS = """\
task_name: slots
task_type: extraction
input_template: "{text}"
output_format: {type: json, schema: {type: object, properties: {people: {type: string}, time: {type: string}}}}
training: {base_model: smollm2-135m}
success_criteria: {threshold: 0.7}
"""


def task(method: str, text: str = SLOTS) -> str:
    return text.replace("training: {", f"training: {{method: {method}, ")


def pair(chosen: Any, rejected: Any, **more: Any) -> dict[str, Any]:
    return {"text": "For two at noon", "chosen": chosen, "rejected": rejected, **more}


# ---------------------------------------------------------------- pairs


def test_the_chosen_answer_of_a_pair_is_the_right_one() -> None:
    found = read_jsonl([pair({"people": "two"}, {"people": "9"})], task("dpo"))
    (row,) = found.rows
    assert row == {
        "id": row["id"],
        "input": {"text": "For two at noon"},
        "output": {"people": "two"},
        "rejected": {"people": "9"},
        "split": None,
    }
    assert found.report["accepted"] == 1


def test_a_rejected_answer_may_break_the_contract_and_a_chosen_one_may_not() -> None:
    rows = [pair({"people": "two"}, "I do not know"), pair({"people": 2}, {"people": "two"})]
    found = read_jsonl(rows, task("orpo"))
    assert [row["rejected"] for row in found.rows] == ["I do not know"]
    assert found.lines == {2: "people is not of type string"}


def test_answers_in_text_columns_are_read_as_json() -> None:
    (row,) = read_jsonl([pair('{"people": "two"}', '{"people":"9"}')], task("dpo")).rows
    assert (row["output"], row["rejected"]) == ({"people": "two"}, {"people": "9"})


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (pair({"people": "two"}, {"people": "two"}), "chosen and rejected are the same answer"),
        (
            pair({"people": "two", "time": "1"}, '{"time": "1", "people": "two"}'),
            "chosen and rejected are the same answer",
        ),
        (pair({"people": "two"}, None), "the rejected answer is missing or empty"),
        (pair({"people": "two"}, " "), "the rejected answer is missing or empty"),
        (pair(None, {"people": "two"}), "the answer is missing: no column chosen"),
        ({"chosen": {}, "rejected": "no"}, "the input field text is missing"),
    ],
)
def test_a_pair_that_teaches_nothing_is_rejected_with_a_reason(given: dict[str, Any], why: str) -> None:
    found = read_jsonl([given, pair({"people": "two"}, "no")], task("dpo"))
    assert found.lines == {1: why}
    assert found.report["reasons"] == {why: 1}


def test_pairs_with_one_chosen_and_two_rejected_answers_are_two_rows() -> None:
    rows = [pair({"people": "two"}, "no"), pair({"people": "two"}, "9"), pair({"people": "two"}, "no")]
    found = read_jsonl(rows, task("dpo"))
    assert (found.report["accepted"], found.report["duplicates"]) == (2, 1)


def test_the_columns_of_a_pair_can_have_other_names() -> None:
    source = task("dpo") + "data: {sources: [{path: data/raw/rows.jsonl, map: {chosen: good, rejected: bad}}]}\n"
    rows = [{"text": "For two", "good": {"people": "two"}, "bad": "no"}]
    assert [row["rejected"] for row in read_jsonl(rows, source).rows] == ["no"]


def test_a_label_can_be_preferred() -> None:
    found = read_jsonl([pair("refund", "shipping"), pair("refund", "money")], task("dpo", LABELS))
    assert sorted(row["rejected"] for row in found.rows) == ["money", "shipping"]


# ---------------------------------------------------------------- verdicts


def verdict(completion: Any, label: Any, text: str = "For two", **more: Any) -> dict[str, Any]:
    return {"text": text, "completion": completion, "label": label, **more}


def test_a_good_answer_is_a_row_as_any_and_a_bad_one_is_trained_on_only() -> None:
    found = read_jsonl([verdict({"people": "two"}, True), verdict("no idea", False)], task("kto"))
    good, bad = sorted(found.rows, key=lambda row: "rejected" in row)
    assert (good["output"], good["split"], "rejected" in good) == ({"people": "two"}, None, False)
    assert (bad["output"], bad["split"], bad["rejected"]) == (None, "train", "no idea")


@pytest.mark.parametrize(("label", "good"), [(True, True), (1, True), ("True", True), ("false", False), (0, False)])
def test_a_label_is_read_from_any_file(label: Any, good: bool) -> None:
    (row,) = read_jsonl([verdict({"people": "two"}, label)], task("kto")).rows
    assert (row["output"] is not None) is good


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (verdict({"people": "two"}, "maybe"), "the label says neither true nor false"),
        (verdict({"people": "two"}, None), "the label says neither true nor false"),
        (verdict({"people": 2}, True), "people is not of type string"),
        (verdict("", False), "the answer is missing: `completion` is empty"),
        (verdict("no idea", False, split="test"), "it names no right answer, so it cannot stand in test"),
    ],
)
def test_a_verdict_that_teaches_nothing_is_rejected_with_a_reason(given: dict[str, Any], why: str) -> None:
    assert read_jsonl([given, verdict({"people": "two"}, True)], task("kto")).lines == {1: why}


def test_an_answer_of_labels_stands_beside_its_verdict() -> None:
    rows = [{"text": "x", "answer": "refund", "label": True}, {"text": "x", "answer": "shipping", "label": False}]
    found = read_jsonl(rows, task("kto", LABELS)).rows
    assert sorted(str(row["output"]) for row in found) == ["None", "refund"]


def verdicts() -> Read:
    good = [verdict({"people": "two"}, True, f"For two, {n}") for n in range(30)]
    bad = [verdict("no", False, f"For two, {n}") for n in range(20, 50)]
    return read_jsonl([*good, *bad], task("kto"))


def test_dev_and_test_hold_right_answers_alone_and_no_bad_answer_to_their_inputs_is_trained_on() -> None:
    parts = split(verdicts().accepted, task("kto"))
    measured = [*parts["dev"], *parts["test"]]
    assert measured and all(row["output"] is not None for row in measured)
    bad = [row for row in parts["train"] if row["output"] is None]
    asked = {row["input"]["text"] for row in measured}
    assert not asked & {row["input"]["text"] for row in bad}
    assert len(bad) == 30 - len(asked & {f"For two, {n}" for n in range(20, 50)})


def test_a_seed_with_a_leak_counts_what_it_leaves_out() -> None:
    """Every good input has a bad answer too, so dev and test always take some with them."""
    rows = [verdict({"people": "two"}, True, f"{n}") for n in range(20)] + [
        verdict("no", False, f"{n}") for n in range(20)
    ]
    parts = split(read_jsonl(rows, task("kto")).accepted, task("kto"))
    assert {name: len(part) for name, part in parts.items()} == {"train": 32, "dev": 2, "test": 2}


# ---------------------------------------------------------------- texts


def test_a_text_is_trained_on_and_rows_with_answers_measure() -> None:
    rows = [{"text": f"About bookings, {n}."} for n in range(9)]
    answered = [{"text": f"For {n}", "people": str(n)} for n in range(10)]
    found = read({"data/raw/texts.jsonl": jsonl(rows), "data/raw/rows.jsonl": jsonl(answered)}, task("cpt"))
    parts = split(found.accepted, task("cpt"))
    assert {name: len(part) for name, part in parts.items()} == {"train": 9, "dev": 5, "test": 5}
    assert all(row["text"] and not row["input"] for row in parts["train"])
    assert not any("text" in row for row in parts["dev"] + parts["test"])


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"text": "\u200b"}, "the text is missing or empty"),
        ({"body": "a text"}, "the text is missing or empty"),
        ({"text": "a text", "split": "test"}, "it names no right answer, so it cannot stand in test"),
        ({"text": "For 2", "people": "2", "split": "train"}, "it has an answer, so it is no text to train on"),
    ],
)
def test_a_text_that_cannot_be_trained_on_is_rejected_with_a_reason(given: dict[str, Any], why: str) -> None:
    assert read_jsonl([given, {"text": "a text"}], task("cpt")).lines == {1: why}


def test_texts_alone_leave_nothing_to_measure_with() -> None:
    found = read_jsonl([{"text": f"About bookings, {n}."} for n in range(9)], task("cpt"))
    with pytest.raises(UserError) as error:
        split(found.accepted, task("cpt"))
    assert [diagnostic.code for diagnostic in error.value.diagnostics] == ["T303"]


def test_the_official_split_of_a_row_to_measure_with_is_kept() -> None:
    rows = [{"text": f"About bookings, {n}."} for n in range(3)]
    answered = [{"text": f"For {n}", "people": str(n), "split": "test"} for n in range(4)]
    open_rows = [{"text": f"At {n}", "people": str(n)} for n in range(3)]
    found = read_jsonl([*rows, *answered, *open_rows], task("cpt"))
    parts = split(found.accepted, task("cpt"))
    assert {name: len(part) for name, part in parts.items()} == {"train": 3, "dev": 3, "test": 4}
