"""The gates of rows: what each lets pass, what it does not, and that a task can say otherwise."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages import kinds, personal
from stages.catalog import DataGate, members
from stages.contract import Contract
from stages.data_gates import triviality
from stages.diagnostics import UserError
from stages.facts import data_gates, standing_actions
from stages.likeness import words
from stages.rows import Row
from stages.seen import Seen, Settings
from tests.data.building import LABELS, read, read_jsonl, split

TEXT = """\
task_name: answers
task_type: generation
input_template: "{text}"
output_format: {type: text}
training: {base_model: smollm2-135m}
success_criteria: {threshold: 0.7}
"""
LONG = (
    "the quick brown fox jumps over the lazy dog while nine old men watch from a bench "
    "near the quiet river and say nothing at all about it to anyone else"
)


def row(text: str, label: str = "refund", **more: Any) -> dict[str, Any]:
    return {"text": text, "label": label, **more}


def data(**keys: Any) -> str:
    return LABELS + "data: " + json.dumps({"sources": [{"path": "data/raw/rows.jsonl"}], **keys}) + "\n"


def answer(text: str, output: str) -> dict[str, str]:
    return {"text": text, "output": output}


# Gate -> (task, rows, lines that it is about).
CASES: dict[str, tuple[str, list[dict[str, Any]], set[int]]] = {
    "instructions": (TEXT, [answer("a", "As an AI language model, I cannot."), answer("b", "Yes, here we are.")], {1}),
    "triviality": (LABELS, [row("???"), row("ok"), row("😀"), row("你"), row("buy now " * 5)], {1, 5}),
    "copying": (TEXT, [answer("say it again", "Say it again!"), answer("b", "c")], {1}),
    "length": (data(length={"max_tokens": 50}), [row("x" * 300), row("short")], {1}),
    "characters": (LABELS, [row("a\x00b"), row("a\ufffdb"), row("cafÃ©"), row("café\ttab")], {1, 2, 3}),
    "patterns": (data(patterns={"text": "!^A-"}), [row("A-1"), row("B-1")], {1}),
    "licenses": (
        data(licenses={"refuse": ["CC-BY-NC*", "none"]}),
        [row("a", license="cc-by-nc-4.0"), row("b", license="MIT"), row("c", license="")],
        {1, 3},
    ),
    "pii": (LABELS, [row("mail me@example.com"), row("version 10.0.0.1")], {1}),
    "secrets": (LABELS, [row("AKIAIOSFODNN7EXAMPLE"), row("a key to success")], {1}),
    "duplicates": (LABELS, [row("a"), row("b"), row("a")], {3}),
    "near": (LABELS, [row(LONG), row(LONG.upper() + "!"), row("another")], {1, 2}),
    "mixed": (LABELS, [row("a"), row(["b"]), row("c"), row({"d": 1}), row(5)], {2, 4}),  # type: ignore[arg-type]
    "consistency": (LABELS, [row("Wo?", "refund"), row(" wo ", "account"), row("b")], {1, 2}),
    "contrasts": (
        LABELS,
        [row(LONG), row(LONG + " now", "account"), row(LONG + " then", "account", split="test"), row("another")],
        {1, 2},
    ),
    "ids": (LABELS, [row("a", id=1), row("b", id=1), row("c", id=2)], {2}),
    "labels": (LABELS, [row("a"), row("b", "account", split="test"), row("c", split="test")], {2}),
    "balance": (LABELS, [row("a"), row("b")], {1}),
    "quotas": (
        data(quotas=[{"by": "label", "value": "refund", "max": 2}]),
        [row(t) for t in "abc"] + [row("d", "account")],
        {1, 2, 3},
    ),
    "offsets": (
        LABELS,
        [
            row("Bob", entities=[{"text": "Bob", "start": 1, "end": 3}]),
            row("Al", entities=[{"text": "Al", "start": 0, "end": 2}]),
        ],
        {1},
    ),
    "tools": (
        LABELS,
        [
            row("a", tools=[{"name": "f"}], call=[{"name": "g", "arguments": {}}]),
            row("b", tools=[{"name": "f"}], call=[{"name": "f", "arguments": {}}]),
        ],
        {1},
    ),
    "review": (data(review={"flags": ["pii"], "share": 0.0}), [row("mail me@example.com"), row("b"), row("c")], {1}),
}


def in_english() -> str:
    """The licence, then the documentation: 20,000 words, a tenth of them different ones."""
    return "\n".join(path.read_text(encoding="utf-8") for path in (Path("LICENSE"), *sorted(Path("docs").glob("*.md"))))


def in_chinese() -> str:
    """6,000 of the signs of the coach's Chinese examples, the first ones often, as signs of a text come."""
    said = (path.read_text(encoding="utf-8") for path in sorted(Path("tests/coaching/cases").glob("*-zh-*/rows.jsonl")))
    signs = list(dict.fromkeys(re.findall("[\u4e00-\u9fff]", "".join(said))))
    return "".join(random.Random(1).choices(signs, [1 / place for place in range(1, len(signs) + 1)], k=6000))


@pytest.mark.parametrize("text", [in_english, in_chinese])
def test_a_long_document_is_not_trivial_because_it_is_long(text: Callable[[], str]) -> None:
    document = text()
    assert len(words(document)) > 5 * len(set(words(document))), "it would tell nothing otherwise"
    cut = [document, document[: len(document) // 2]]
    assert [found for one in cut for found in triviality.look(looked_at(one), Settings())] == []
    again = [" ".join(words(document)[:many]) + " " for many in (1, 7, 30)]
    assert all(list(triviality.look(looked_at(one * 300), Settings())) for one in again)


def looked_at(text: str) -> Seen:
    return Seen(Row("", {"text": text}, "refund", None), {}, Contract(type="label", schema_=None))


def with_gate(task: str, gate: str, action: str) -> str:
    gates = f"gates: {{{gate}: {action!r}}}"
    if '"sources"' in task:
        return task.replace('{"sources"', f'{{"gates": {{"{gate}": "{action}"}}, "sources"')
    return task + f"data: {{sources: [{{path: data/raw/rows.jsonl}}], {gates}}}\n"


@pytest.mark.parametrize("gate", CASES)
@pytest.mark.parametrize("action", ["reject", "warn", "off"])
def test_a_gate_does_what_it_is_told_with_the_rows_that_it_is_about(gate: str, action: str) -> None:
    task, rows, about = CASES[gate]
    if action not in data_gates()[gate] or (gate, action) == ("review", "off"):  # which T891 refuses
        return
    found = read_jsonl(rows, with_gate(task, gate, action))
    rejected = {item["line"] for item in found.rejected if item["gate"] == gate}
    flagged = {item["line"] for item in found.flagged if item["gate"] == gate}
    many = 1 if gate in ("quotas", "near", "contrasts") else len(about)
    assert (len(rejected), len(flagged)) == (many * (action == "reject"), many * (action == "warn"))
    assert rejected | flagged <= about
    assert found.report["read"] == len(rows) == len(found.rows) + len(found.rejected)


def test_every_gate_has_a_case_and_those_that_need_a_model_have_tests_of_their_own() -> None:
    gates = members("stages.data_gates", "DATA_GATE", DataGate)
    assert gates.keys() == CASES.keys() | {"semantic", "clusters", "judge"}
    assert {name: gate.actions for name, gate in gates.items()} == data_gates(), "what the compiler reads of them"
    assert {name: gate.action for name, gate in gates.items()} == standing_actions()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([LONG, LONG.upper(), LONG + " x", "short", "mail a@b.com", "???"]),
            st.sampled_from(["refund", "account", "no"]),
            st.sampled_from([None, "train", "test"]),
        ),
        min_size=1,
        max_size=14,
    )
)
def test_whatever_the_gates_find_rows_read_are_rows_accepted_and_rejected(
    given_rows: list[tuple[str, str, str | None]],
) -> None:
    rows = [row(text, label, **({"split": split} if split else {})) for text, label, split in given_rows]
    stay = [row(f"one that stays {n}") for n in range(15)]  # so that not most of the rows break the contract
    found = read_jsonl([*rows, *stay])
    assert found.report["read"] == len(rows) + 15 == len(found.rows) + len(found.rejected)
    assert {item["line"] for item in found.rejected} == {item["line"] for item in found.rejected if item["gate"]}


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ([["a"], ["b"], ["c"]], {}),
        ([["a"], ["b", "c"], "d"], {3: "the input field text is a text, and a list in most rows"}),
        ([["a"], "b"], {1: "the input field text is a list, and a text in most rows"}),
        ([{"a": 1}, {"b": 2}, ["c"], "d"], {3: "a list, and an object", 4: "a text, and an object"}),
        ([True, 7, "d", ["e"]], {4: "a list, and a text"}),
    ],
)
def test_a_field_is_a_list_in_every_row_or_in_none(inputs: list[Any], found: dict[int, str]) -> None:
    said = read_jsonl([row(text) for text in inputs]).lines
    assert said.keys() == found.keys() and all(found[line] in reason for line, reason in said.items())


def test_a_near_miss_is_meant_to_be_like_another_row() -> None:
    rows = [row(LONG), row(LONG + " now", "account", kinds="near-miss")]
    assert not [one for one in read_jsonl(rows, data(tags="kinds")).flagged if one["gate"] == "contrasts"]
    assert [one for one in read_jsonl(rows).flagged if one["gate"] == "contrasts"]


def test_rows_of_other_splits_are_never_dropped_for_being_like_a_row() -> None:
    rows = [row(LONG, split="test"), row(LONG + " now", split="test"), row(LONG + " then", split="train")]
    assert len(read_jsonl(rows).rows) == 3


def test_quotas_say_what_is_missing() -> None:
    quotas = [{"by": "tag", "value": "negative", "min": 3}, {"by": "label", "value": "refund", "min": 0.5}]
    found = read_jsonl([row("a", kinds="negative"), row("b", "account")], data(quotas=quotas, tags="kinds"))
    assert [(q["value"], q["rows"], q["missing"]) for q in found.report["quotas"]] == [
        ("negative", 1, 2),
        ("refund", 1, 0),
    ]


# ---------------------------------------------------------------- personal data


def test_the_names_that_a_task_may_use_are_those_that_are_looked_for() -> None:
    looked = dict.fromkeys(kind for kind, _, _ in personal._KINDS)
    assert tuple(looked) == tuple(dict.fromkeys((*kinds.PERSONAL, *kinds.SECRETS)))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to jane.roe@example.co.uk.", "email"),
        ("card 4111-1111-1111-1111", "card"),
        ("GB82 WEST 1234 5698 7654 32", "iban"),
        ("SSN 078-05-1120", "us_ssn"),
        ("NINO AB 12 34 56 C", "uk_nino"),
        ("身分證 A123456789", "tw_id"),
        ("身份证 11010519491231002X", "cn_id"),
        ("call 0912-345-678", "phone"),
        ("desk: 986.291.2294x751", "phone"),
        ("server 192.0.2.44 is down", "ip"),
        ("at 2001:db8:85a3::8a2e:370:7334", "ip"),
        ("http://wiki.corp.internal/x", "private_url"),
        ("postgres://me:hunter22@db/x", "password"),
        ("xoxb-123456789012-abcdefghij", "slack_token"),
        ("password: hunter2", "password"),
        ("password: sunshine", "password"),
        ("pwd=sunshine", "password"),
        ("my password is hunter2.", "password"),
        ("my password is Sunshine", "password"),
        ("my password is 'sunshine'", "password"),
    ],
)
def test_a_kind_is_found(text: str, kind: str) -> None:
    assert kind in {found for found, _, _ in personal.find(text)}


@pytest.mark.parametrize(
    "text",
    [
        "Order 4111-2222-3333",
        "4111 1111 1111 1112",
        "version 10.0.0.1",
        "a table for 4 at 7:30 on 12-05-2026",
        "A123456780",
        "isbn 978-3-16-148410-0 is a book",
        "password reset",
        "The app on my phone says my password is wrong.",
        "my password is expired today",
        "the password is incorrect!!",
        "pi is 3.14159265358979",
        "12:30:45",
        "a screen of 1920x1080, or 2560 x 1440",
        "the token ring",
    ],
)
def test_what_only_looks_like_it_is_not_found(text: str) -> None:
    assert not personal.find(text)


def test_a_value_has_one_placeholder_in_a_row_and_the_id_is_that_of_what_is_left() -> None:
    task = with_gate(TEXT, "pii", "redact")
    rows = [
        answer("from a@x.com to b@x.com", "I wrote to a@x.com"),
        answer("from c@x.com to d@x.com", "I wrote to c@x.com"),
    ]
    found = read_jsonl(rows, task)
    assert (
        found.rows[0]["input"]["text"] == "from [EMAIL_1] to [EMAIL_2]"
        and found.rows[0]["output"] == "I wrote to [EMAIL_1]"
    )
    assert len(found.rows) == 1, "and two rows that only differed there are one"
    assert found.report["personal"] == {"email": 2}


def test_a_kind_may_be_treated_otherwise_than_the_others() -> None:
    task = data(gates={"pii": "off"}, pii={"types": {"card": "reject", "email": "redact"}})
    found = read_jsonl([row("me@x.com"), row("4111 1111 1111 1111"), row("call 0912-345-678")], task)
    assert found.lines == {2: "it holds personal data: card"}
    assert not [one for one in found.flagged if one["gate"] == "pii"]
    assert sorted(one["input"]["text"] for one in found.rows) == ["[EMAIL_1]", "call 0912-345-678"]


# ---------------------------------------------------------------- alike


@pytest.mark.parametrize(
    "other",
    [
        LONG.upper(),
        LONG.replace(" ", "  "),
        LONG.replace(" ", ", ") + "!",
        "".join(chr(ord(c) + 0xFEE0) if c != " " else "\u3000" for c in LONG),
        "\u200b".join(LONG),
    ],
)
def test_ways_to_write_one_text_have_the_same_words(other: str) -> None:
    assert words(other) == words(LONG)


def test_traditional_and_simplified_chinese_are_the_same() -> None:
    assert words("怎麼修改收貨地址") == words("怎么修改收货地址")


WAYS = {
    "as it is": LONG,
    "case": LONG.title(),
    "one word": LONG.replace("bench", "chair"),
    "clauses": " ".join([*LONG.split()[14:], *LONG.split()[:14]]),
    "inside": f"He said to me yesterday evening that {LONG} and then he went home without a word to anybody there",
    "nothing of it": "some other sentence that has nothing to do with any of this, I think, or so they say here",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("action", ["reject", "warn", "off"])
def test_a_train_row_that_tells_a_test_row_is_listed_and_taken_out(way: str, action: str) -> None:
    others = [row(f"row {n} about {n * 7}", split="dev" if n % 2 else "train") for n in range(8)]
    rows = [*others, row(LONG, split="test"), row(WAYS[way], "account", split="train")]
    task = LABELS + f"splits: {{leakage: {{action: '{action}'}}, ratios: {{train: 1.0, dev: 0.0, test: 0.0}}}}\n"
    found = read_jsonl(rows, task)
    parts = split(found.accepted, task, found.near)
    leaks = way != "nothing of it"
    assert len(parts.get("leaks", [])) == (leaks and action != "off")
    assert (WAYS[way] in {one["input"]["text"] for one in parts["train"]}) is not (leaks and action == "reject")


def test_rows_that_are_alike_stay_on_one_side() -> None:
    pairs = [[f"{LONG} {n} {n} {n}", f"{LONG} {n} {n} {n} please"] for n in range(60)]
    texts = [" ".join(w + str(n) for w in text.split()) for n, pair in enumerate(pairs) for text in pair]
    rows = [row(text, "refund" if place % 2 else "account") for place, text in enumerate(texts)]
    task = LABELS + "splits: {ratios: {train: 0.5, dev: 0.25, test: 0.25}}\n"
    found = read_jsonl(rows, task)
    parts = split(found.accepted, task, found.near)
    where = {one["input"]["text"]: name for name in ("train", "dev", "test") for one in parts[name]}
    assert len(where) == 120 and all(where[texts[n]] == where[texts[n + 1]] for n in range(0, 120, 2))


def test_rows_with_a_time_are_parted_by_it() -> None:
    task = LABELS + "splits: {order_by: day, ratios: {train: 0.6, dev: 0.2, test: 0.2}}\n"
    rows = [row(f"row {n} {n * n}", day=f"2026-11-{n + 10}") for n in range(20)]
    parts = split(read_jsonl(rows, task).accepted, task)
    days = {name: [one["when"] for one in parts[name]] for name in ("train", "dev", "test")}
    assert max(days["train"]) < min(days["dev"]) <= max(days["dev"]) < min(days["test"])
    assert {name: len(found) for name, found in days.items()} == {"train": 12, "dev": 4, "test": 4}


TIMED = LABELS + "splits: {order_by: day, ratios: {train: 0.6, dev: 0.2, test: 0.2}}\n"


@pytest.mark.parametrize(("one", "other", "sides"), [(15, 16, "test"), (11, 12, "dev"), (0, 19, "test")])
def test_rows_that_are_alike_are_as_late_as_the_latest_of_them(one: int, other: int, sides: str) -> None:
    rows = [row(f"row {n} {n * n}", day=f"2026-11-{n + 10}") for n in range(20)]
    rows[one] |= {"text": LONG, "label": "account"}
    rows[other] |= {"text": LONG + " now"}
    found = read_jsonl(rows, TIMED)
    parts = split(found.accepted, TIMED, found.near)
    assert [name for name in parts for row in parts[name] if row["input"]["text"].startswith(LONG)] == [sides] * 2
    assert sum(map(len, parts.values())) == 20


def test_a_row_like_one_that_is_named_a_test_row_is_a_leak_whatever_its_time() -> None:
    rows = [row(f"row {n} {n * n}", day=f"2026-11-{n + 10}") for n in range(20)]
    rows += [row(LONG, day="2026-11-01", split="test"), row(LONG + " now", "account", day="2026-12-30")]
    found = read_jsonl(rows, TIMED)
    parts = split(found.accepted, TIMED, found.near)
    assert [leak["how"] for leak in parts["leaks"]] == ["alike"] and len(parts["test"]) == 1 and len(parts["dev"]) == 4


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 25), st.none() | st.integers(0, 30)), min_size=40, max_size=80),
    st.floats(0.1, 0.4),
    st.floats(0.1, 0.4),
)
def test_parted_by_time_every_set_lies_on_one_side_and_none_on_an_earlier_one_is_later(
    given_rows: list[tuple[int, int | None]], dev: float, test: float
) -> None:
    rows = [
        {"id": f"r{n}", "text": f"row {n} {n * n}", "label": "refund", "day": day, "parent": f"of {family}"}
        for n, (family, day) in enumerate(given_rows)
    ]
    task = LABELS + f"splits: {{order_by: day, ratios: {{train: {1 - dev - test!r}, dev: {dev!r}, test: {test!r}}}}}\n"
    found = read_jsonl(rows, task)
    try:
        parts = split(found.accepted, task, found.near)
    except UserError:
        assert len({family for family, _ in given_rows}) < 15  # so few sets that a split gets none
        return
    assert sum(map(len, parts.values())) == len(rows) and "leaks" not in parts
    side = {one["input"]["text"]: name for name, part in parts.items() for one in part}
    sets: dict[int, list[tuple[str, int]]] = {}
    for one, (family, day) in zip(rows, given_rows, strict=True):
        sets.setdefault(family, []).append((side[str(one["text"])], -1 if day is None else day))
    assert all(len({name for name, _ in members}) == 1 for members in sets.values())
    latest = {name: [max(day for _, day in s) for s in sets.values() if s[0][0] == name] for name in parts}
    assert max(latest["train"]) <= min(latest["dev"]) and max(latest["dev"]) <= min(latest["test"])


def test_a_holdout_is_in_no_other_split_and_its_rows_are_not_trained_on() -> None:
    task = LABELS + "data: {sources: [{path: data/raw/rows.jsonl}, {path: data/held.jsonl, role: holdout}]}\n"
    rows = [row(f"row {n} {n * 31}", ("refund", "account")[n % 2]) for n in range(40)]
    lines = {
        "data/raw/rows.jsonl": "\n".join(map(json.dumps, [*rows, row(LONG + " too", "account")])).encode(),
        "data/held.jsonl": json.dumps(row(LONG)).encode(),
    }
    found = read(lines, task)
    parts = split(found.accepted, near=found.near)
    assert [one["input"]["text"] for one in parts["holdout"]] == [LONG]
    assert LONG + " too" not in {one["input"]["text"] for name in ("train", "dev", "test") for one in parts[name]}
