"""Rows that wait for a person, and what becomes of them once a person has decided."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.diagnostics import Diagnostic, UserError
from stages.progress import heed
from stages.reviewing import DRAWN, drawn
from stages.rows import row_id
from tests.data.building import DECISIONS, LABELS, Read, jsonl, read, read_jsonl
from tests.data.test_data_gates import TEXT, data, row

MAIL = row("write to zoe@example.com", "account")
PLAIN = [row("where is my parcel", "shipping"), row("i want my money back", "refund")]
QUEUE = data(review={"flags": ["pii"], "share": 0.0})
HELD = data(review={"flags": ["pii"], "share": 0.0}, gates={"review": "reject"})
CONTRACT = json.dumps({"type": "json", "schema": {"type": "object", "properties": {"time": {"type": "string"}}}})


def id_of(text: str, answer: Any) -> str:
    return row_id({"text": text}, answer)


ID = id_of(MAIL["text"], "account")


def decided(kind: str, id: str = ID, **more: Any) -> dict[str, Any]:
    return {"id": id, "decision": kind, "by": "ana", **more}


def texts(found: Read) -> dict[str, str]:
    return {row["input"]["text"]: row["output"] for row in found.rows}


def refused(rows: Iterable[Any], task: str, decisions: bytes) -> list[Diagnostic]:
    with pytest.raises(UserError) as found:
        read({"data/raw/rows.jsonl": jsonl(rows)}, task, decisions)
    return list(found.value.diagnostics)


def warned(rows: Iterable[Any], task: str, decisions: Iterable[Any] | None) -> dict[str, Diagnostic]:
    told: list[Diagnostic] = []
    heed(told.append)
    try:
        read_jsonl(rows, task, decisions)
    finally:
        heed(lambda found: None)
    return {one.code: one for one in told}


def test_a_row_that_a_named_gate_warns_of_waits_and_is_used_meanwhile() -> None:
    found = read_jsonl([MAIL, *PLAIN], QUEUE)
    assert len(found.rows) == 3 and [one["id"] for one in found.review] == [ID]
    told = found.review[0]
    assert (told["file"], told["line"]) == ("data/raw/rows.jsonl", 1)
    assert told["why"] == ["pii: it holds personal data: email"]
    assert told["input"] == {"text": MAIL["text"]} and told["output"] == "account"
    assert found.report["review"] == {"waiting": 1, "decided": {}, "without_a_row": 0}
    assert "T898" in warned([MAIL, *PLAIN], QUEUE, None)


def test_it_is_held_back_where_the_gate_rejects_and_comes_back_once_it_is_accepted() -> None:
    held = read_jsonl([MAIL, *PLAIN], HELD)
    assert texts(held).keys() == {one["text"] for one in PLAIN} and [one["id"] for one in held.review] == [ID]
    assert held.lines == {1: "it waits for a reviewer"} and held.report["read"] == 3 == len(held.rows) + 1
    found = read_jsonl([MAIL, *PLAIN], HELD, [decided("accept")])
    assert len(found.rows) == 3 and not found.review and not found.rejected
    assert found.report["review"] == {"waiting": 0, "decided": {"accept": 1}, "without_a_row": 0}


def test_a_row_that_a_reviewer_refuses_is_rejected_with_the_reason() -> None:
    found = read_jsonl([MAIL, *PLAIN], QUEUE, [decided("reject")])
    assert found.lines == {1: "a reviewer refuses it"} and found.rejected[0]["gate"] == "review"
    assert found.report["read"] == 3 == len(found.rows) + len(found.rejected) and not found.review


def test_a_corrected_answer_takes_the_place_of_the_old_one_and_passes_the_gates_like_any_other() -> None:
    found = read_jsonl([MAIL, *PLAIN], QUEUE, [decided("correct", output="shipping")])
    assert texts(found)[MAIL["text"]] == "shipping" and not found.review
    assert [one["id"] for one in found.rows] == sorted(one["id"] for one in found.rows)
    assert id_of(MAIL["text"], "shipping") in {one["id"] for one in found.rows}
    twice = read_jsonl([MAIL, row(MAIL["text"], "shipping")], HELD, [decided("correct", output="shipping")])
    assert texts(twice) == {MAIL["text"]: "shipping"}
    assert "a duplicate" in twice.lines.values(), "what a correction makes a duplicate of is not there twice"


def test_what_is_personal_in_a_correction_is_redacted_and_the_id_is_that_of_what_was_shown() -> None:
    task = TEXT + data(gates={"pii": "redact"}, review={"flags": ["copying"], "share": 0.0}).removeprefix(LABELS)
    rows = [{"text": "ask a@b.example", "output": "ask a@b.example"}, {"text": "b", "output": "c"}]
    waiting = read_jsonl(rows, task).review
    assert [one["output"] for one in waiting] == ["ask [EMAIL_1]"]
    right = decided("correct", waiting[0]["id"], output="ask the owner, o@b.example")
    found = read_jsonl(rows, task, [right])
    assert {one["output"] for one in found.rows} == {"ask the owner, [EMAIL_1]", "c"}
    assert found.report["review"]["decided"] == {"correct": 1}


def test_the_last_of_two_decisions_counts() -> None:
    both = [decided("reject"), decided("accept")]
    assert len(read_jsonl([MAIL, *PLAIN], QUEUE, both).rows) == 3
    assert len(read_jsonl([MAIL, *PLAIN], QUEUE, both[::-1]).rows) == 2


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{broken", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"id": "5f1c0d9a3b7e", "decision": "maybe", "by": "ana"}', "none of accept, reject, correct"),
        (b'{"id": "5f1c0d9a3b7e", "decision": ["accept"], "by": "ana"}', "none of accept, reject, correct"),
        (b'{"id": "5f1c0d9a3b7e", "decision": "correct", "by": "ana"}', "`output`, the right answer, is missing"),
        (b'{"id": "5f1c0d9a3b7e", "decision": "accept", "output": "a", "by": "ana"}', "`output` stands beside"),
        (b'{"id": "row 7", "decision": "accept", "by": "ana"}', "no row's id"),
        (b'{"id": 7, "decision": "accept", "by": "ana"}', "no row's id"),
        (b'{"id": "5f1c0d9a3b7e", "decision": "accept", "by": " "}', "names nobody"),
        (b'{"id": "5f1c0d9a3b7e", "decision": "accept"}', "`by` is missing"),
        (b'{"id": "5f1c0d9a3b7e", "decision": "accept", "by": "ana", "why": 1}', "a key beside"),
        (b'{"id": "5f1c0d9a3b7e", "decision": "accept", "by": "a", "by": "b"}', "not JSON"),
        (b'\xff\xfe{"id"', "not UTF-8"),
        (b"<<<<<<< HEAD", "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_a_line_that_says_no_decision_is_named(line: bytes, why: str) -> None:
    good = jsonl([decided("accept")])
    found = refused([MAIL, *PLAIN], QUEUE, good + b"\n" + line + b"\n" + good + line)
    assert [(one.code, one.span and one.span.line) for one in found] == [("T894", 3), ("T894", 5)]
    assert all(one.span and one.span.file == DECISIONS and why in one.message and one.help for one in found)


def test_a_correction_that_breaks_the_contract_is_named_with_its_line_and_not_shown() -> None:
    broken = jsonl([decided("accept"), decided("correct", output="zoe's own matter")])
    found = refused([MAIL, *PLAIN], QUEUE, broken)
    assert [(one.code, one.span and one.span.line) for one in found] == [("T895", 2)]
    assert "none of account, refund, shipping" in found[0].message and "zoe" not in found[0].message
    assert len(read_jsonl([MAIL, *PLAIN], QUEUE, [*map(json.loads, broken.splitlines()), decided("accept")]).rows) == 3


def test_a_row_without_a_right_answer_cannot_be_corrected() -> None:
    task = TEXT + data(review={"flags": ["pii"], "share": 0.0}).removeprefix(LABELS)
    task = task.replace("training: {", "training: {method: kto, ")
    rows = [
        {"text": "x@y.example", "completion": "no", "label": False},
        {"text": "b", "completion": "c", "label": True},
    ]
    id = read_jsonl(rows, task).review[0]["id"]
    found = refused(rows, task, jsonl([decided("correct", id, output="yes")]))
    assert [one.code for one in found] == ["T895"] and "names no right answer" in found[0].message
    assert len(read_jsonl(rows, task, [decided("reject", id)]).rows) == 1


def test_pairs_are_corrected_in_the_answer_to_give() -> None:
    task = TEXT.replace("training: {", "training: {method: dpo, ")
    task += data(review={"flags": ["pii"], "share": 0.0}).removeprefix(LABELS)
    rows = [{"text": "x@y.example", "chosen": "yes", "rejected": "no"}, {"text": "b", "chosen": "c", "rejected": "d"}]
    waiting = read_jsonl(rows, task).review[0]
    assert (waiting["output"], waiting["rejected"]) == ("yes", "no")
    found = read_jsonl(rows, task, [decided("correct", waiting["id"], output="yes, please")])
    assert {one["output"] for one in found.rows} == {"yes, please", "c"}
    same = refused(rows, task, jsonl([decided("correct", waiting["id"], output="no")]))
    assert same[0].code == "T895" and "not to be given" in same[0].message


def test_a_decision_about_no_row_is_a_warning_that_counts_them() -> None:
    gone = [decided("accept", "0" * 12), decided("correct", "1" * 12, output="no label at all"), decided("accept")]
    told = warned([MAIL, *PLAIN], QUEUE, gone)["T896"]
    assert told.message.startswith("2 of 3 decisions are about no row") and told.span and told.span.line == 1
    assert read_jsonl([MAIL, *PLAIN], QUEUE, gone).report["review"]["without_a_row"] == 2
    assert "T896" not in warned([MAIL, *PLAIN], QUEUE, [decided("accept")])


def test_a_share_of_all_rows_is_drawn_by_a_hash_and_those_decided_are_not_replaced_by_others() -> None:
    rows = [row(f"message number {n} of many", ("account", "refund", "shipping")[n % 3]) for n in range(600)]
    task = data(review={"share": 0.1}, gates={"near": "off"})
    found = read_jsonl(rows, task)
    ids = [one["id"] for one in found.review]
    assert set(ids) == {one["id"] for one in found.rows if drawn(one["id"]) < 0.1} and 30 < len(ids) < 90
    assert all(one["why"] == [DRAWN] for one in found.review) and ids == sorted(ids)
    assert [one["id"] for one in read_jsonl(rows[::-1], task).review] == ids
    left = read_jsonl(rows, task, [decided("accept", ids[0]), decided("correct", ids[1], output="account")]).review
    assert [one["id"] for one in left] == ids[2:]


def test_what_another_gate_rejects_does_not_wait() -> None:
    task = data(review={"flags": ["pii"], "share": 1.0})
    found = read_jsonl([row("AKIAIOSFODNN7EXAMPLE a@b.example"), row("b"), row("b")], task)
    assert [one["input"]["text"] for one in found.review] == ["b"]
    assert len(read_jsonl([MAIL, MAIL, *PLAIN], QUEUE).review) == 1


def test_where_every_row_waits_the_way_out_is_said() -> None:
    task = data(review={"share": 1.0}, gates={"review": "reject"})
    with pytest.raises(UserError) as found:
        read_jsonl(PLAIN, task)
    told = found.value.diagnostics[0]
    assert told.code == "T301" and "review: warn" in str(told.help)


def test_a_row_for_a_teacher_to_answer_does_not_wait() -> None:
    task = QUEUE + "generate: {teacher: {endpoint: 'http://127.0.0.1:8/v1', model: m}, label: true}\n"
    found = read_jsonl([{"text": "who is me@example.com"}, MAIL, *PLAIN], task)
    assert [one["id"] for one in found.review] == [ID] and len(found.unanswered) == 1
    assert found.report["read"] == 4 == len(found.rows) + len(found.unanswered)


def test_what_a_person_refused_is_no_news() -> None:
    assert "T620" not in warned([MAIL, *PLAIN], QUEUE, [decided("reject")])
    assert "T620" not in warned([MAIL, *PLAIN], HELD, None)
    assert "T620" in warned([row("x", "parcels"), *PLAIN], QUEUE, None)


def test_without_a_review_nothing_waits_and_the_report_says_nothing_of_it() -> None:
    found = read_jsonl([MAIL, *PLAIN])
    assert found.review == [] and not {"review", "judge"} & found.report.keys()


KINDS = st.sampled_from(["accept", "reject", "correct"])


@settings(max_examples=30, deadline=None)
@given(
    texts=st.lists(st.sampled_from(["a@b.example", "c@d.example now", "plain", "plain too"]), unique=True),
    kinds=st.lists(KINDS, max_size=6),
    action=st.sampled_from(["reject", "warn"]),
)
def test_read_is_accepted_and_rejected_whatever_is_decided(texts: list[str], kinds: list[str], action: str) -> None:
    rows = [row(text, ("account", "refund")[n % 2]) for n, text in enumerate(texts)] + [row("stays", "shipping")]
    task = data(review={"flags": ["pii"], "share": 0.0}, gates={"review": action, "consistency": "off"})
    known = [one["id"] for one in read_jsonl(rows, task).review] + ["0" * 12]
    answers = {"correct": {"output": "refund"}}
    lines = [decided(kind, known[n % len(known)], **answers.get(kind, {})) for n, kind in enumerate(kinds)]
    found = read_jsonl(rows, task, lines)
    assert found.report["read"] == len(rows) == len(found.rows) + len(found.rejected)
    ids = [one["id"] for one in found.rows]
    assert ids == sorted(set(ids)), "no row stands there twice"
    assert not {one["id"] for one in found.review} & {line["id"] for line in lines}
    again = read_jsonl(rows[::-1], task, lines)
    assert again.accepted == found.accepted
    assert again.review == [{**one, "line": len(rows) + 1 - one["line"]} for one in found.review]
