"""Rows that a teacher is to answer: which ones the data stage keeps for it, and that none of them is lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.diagnostics import UserError
from tests.data.building import LABELS, Read, jsonl, read, read_jsonl

GENERATE = "generate: {teacher: {endpoint: http://127.0.0.1:9/v1, model: m}, %s}\n"
LABEL, REPAIR = LABELS + GENERATE % "label: true", LABELS + GENERATE % "repair: true"
BOTH = LABELS + GENERATE % "label: true, repair: true"
GOOD = {"text": "where is my parcel", "label": "shipping"}
BARE, BLANK, BROKEN = (
    {"text": "nobody has read this one"},
    {"text": "nor has anyone read that", "label": " "},
    {"text": "somebody has read this badly", "label": "Refunds!"},
)
FIELDS = "{people: {type: string}, time: {type: string}}"
SLOTS = (
    """\
task_name: slots
task_type: extraction
input_template: "{text}"
output_format: {type: json, schema: {people: {type: string}, time: {type: string}}}
training: {base_model: smollm2-135m}
success_criteria: {threshold: 0.7}
"""
    + GENERATE % "label: true, repair: true"
)


@pytest.mark.parametrize(
    ("task", "waiting", "gates"),
    [
        (LABELS, [], ["contract", "row", "row"]),
        (LABEL, [BARE, BLANK], ["contract"]),
        (REPAIR, [BROKEN], ["row", "row"]),
        (BOTH, [BARE, BLANK, BROKEN], []),
    ],
)
def test_rows_wait_for_what_the_task_asks_for(task: str, waiting: list[Any], gates: list[str]) -> None:
    found = read_jsonl([GOOD, BARE, BLANK, BROKEN], task)
    assert {row["input"]["text"] for row in found.unanswered} == {row["text"] for row in waiting}
    assert sorted(one["gate"] for one in found.rejected) == gates and len(found.rows) == 1
    assert all(row["split"] == "unanswered" and row["output"] is None for row in found.unanswered)
    assert found.report["unanswered"] == len(waiting)


def test_a_broken_answer_goes_with_its_row_and_a_missing_one_has_none() -> None:
    found = read_jsonl([GOOD, BARE, BROKEN], BOTH).unanswered
    assert {row["input"]["text"]: row.get("rejected") for row in found} == {
        BARE["text"]: None,
        BROKEN["text"]: "Refunds!",
    }


@pytest.mark.parametrize("answer", [{}, {"people": ""}, {"people": None, "time": " "}])
def test_fields_that_say_nothing_are_no_answer(answer: dict[str, Any]) -> None:
    told = {"text": "For 2 at 7", "people": "2", "time": "7"}
    (row,) = read_jsonl([told, {"text": "For 3 at 8", **answer}], SLOTS).unanswered
    assert "rejected" not in row
    (row,) = read_jsonl([told, {"text": "For 3 at 8", "people": 3}], SLOTS).unanswered
    assert row["rejected"] == {"people": 3}


def test_a_row_with_no_column_of_an_answer_waits_though_all_fields_are_optional() -> None:
    optional = SLOTS.replace(FIELDS, f"{{type: object, properties: {FIELDS}}}")
    told, bare = {"text": "For 2 at 7", "people": "2"}, {"text": "For 3 at 8"}
    assert [row["input"] for row in read_jsonl([told, bare], optional).unanswered] == [bare]
    answered = read_jsonl([told, bare], optional.replace("label: true, ", ""))
    assert not answered.unanswered and {} in [row["output"] for row in answered.rows]


def test_nobody_is_paid_for_an_input_that_is_answered_or_stands_there_twice() -> None:
    twice = [{"text": "Where is my PARCEL?"}, BARE, {**BARE, "label": None}, BARE]
    found = read_jsonl([GOOD, *twice], LABEL)
    assert [row["input"]["text"] for row in found.unanswered] == [BARE["text"]]
    assert [one["reason"] for one in found.rejected] == ["its input is there already"] * 3


@pytest.mark.parametrize(
    ("rows", "message", "notes"),
    [
        ([BARE, BLANK], "all 2 rows wait for a teacher's answer", ()),
        ([BARE], "the only row waits for a teacher's answer", ()),
        (
            [BARE, BLANK, BARE],
            "all 2 rows wait for a teacher's answer, and 1 is rejected",
            ("1 by duplicates: its input is there already (first at data/raw/rows.jsonl:3)",),
        ),
    ],
)
def test_where_every_row_waits_it_is_said_that_some_have_to_be_answered_first(
    rows: list[Any], message: str, notes: tuple[str, ...]
) -> None:
    with pytest.raises(UserError) as refused:
        read_jsonl(rows, LABEL)
    (told,) = refused.value.diagnostics
    assert (told.code, told.message, told.notes) == ("T301", message, notes)
    assert "train, dev and test" in str(told.help) and told.span and told.span.file == "data/raw/rows.jsonl"


@pytest.mark.parametrize("split", ["test", "dev"])
def test_no_row_that_is_to_be_measured_by_is_answered_by_a_teacher(split: str) -> None:
    found = read_jsonl([GOOD, {**BARE, "split": split}, {**BROKEN, "split": split}], BOTH)
    assert not found.unanswered and [one["gate"] for one in found.rejected] == ["row", "row"]


def test_a_secret_is_sent_to_nobody() -> None:
    found = read_jsonl([GOOD, {"text": "my key is ghp_" + "a1B2" * 9}], LABEL)
    assert not found.unanswered and [one["gate"] for one in found.rejected] == ["secrets"]
    told = "anna@example.org wants a card"
    redact = BOTH.replace("generate:", "data: {gates: {pii: redact}}\ngenerate:")
    (row,) = read_jsonl([GOOD, {"text": "somebody has read this badly", "label": told}], redact).unanswered
    assert "anna" not in row["rejected"] and "wants a card" in row["rejected"]
    redact = LABEL.replace("generate:", "data: {gates: {pii: redact}}\ngenerate:")
    (row,) = read_jsonl([GOOD, {"text": "write to anna@example.org at once"}], redact).unanswered
    assert "anna" not in row["input"]["text"]


rows = st.fixed_dictionaries(
    {"text": st.sampled_from("abcdefgh")},
    optional={
        "label": st.sampled_from(["refund", "account", "Refund", "", None, 3]),
        "split": st.sampled_from(["train", "test"]),
    },
)


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, max_size=12), st.randoms(use_true_random=False))
def test_read_are_accepted_rejected_and_waiting_in_whatever_order(lines: list[Any], chance: Any) -> None:
    def whole(lines: list[Any]) -> Read:
        found = read({"data/raw/rows.jsonl": jsonl([*lines, GOOD])}, BOTH)
        told = (found.report[name] for name in ("accepted", "rejected", "unanswered"))
        assert found.report["read"] == len(lines) + 1 == sum(told)
        return found

    shuffled = chance.sample(lines, len(lines))
    first, again = whole(lines), whole([*shuffled, *shuffled])
    assert first.accepted == again.accepted
    assert [row["input"] for row in first.unanswered] == [row["input"] for row in again.unanswered]
