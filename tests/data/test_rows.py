"""The data stage as a whole: every row is accounted for, and what comes out depends on what the rows say alone."""

from __future__ import annotations

import csv
import io
import json
import random
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages import progress
from stages.diagnostics import Diagnostic, Span, UserError
from stages.lost_rows import TEACHABLE
from tests.data.building import LABELS, Read, jsonl, read, read_jsonl

SLOTS = """\
task_name: slots
task_type: extraction
input_template: "{text} {place}"
output_format:
  type: json
  schema:
    type: object
    additionalProperties: false
    properties: {people: {type: string}, time: {type: string}, size: {type: integer}}
training: {base_model: smollm2-135m}
success_criteria: {threshold: 0.7}
"""
GOOD = {"text": "hello", "label": "refund"}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
records = st.fixed_dictionaries(
    {},
    optional={
        "text": texts | st.none() | st.integers() | st.lists(texts, max_size=2),
        "label": st.sampled_from(["refund", "account", "other", None, 1]),
        "split": st.sampled_from(["train", "test", "validation", "TEST ", "", None, "other"]),
    },
)
rows = st.fixed_dictionaries(
    {"text": st.sampled_from("abcdefgh"), "label": st.sampled_from(["refund", "account"])},
    optional={"split": st.sampled_from(["train", "dev", "test"])},
)
SETTINGS = settings(max_examples=40, deadline=None)


def accepted_or_nothing(lines: list[Any]) -> Read | None:
    try:
        return read_jsonl(lines)
    except UserError as refused:
        assert [d.code for d in refused.diagnostics] == ["T301"]
        return None


@SETTINGS
@given(st.lists(records | st.integers() | st.none(), max_size=12))
def test_rows_read_are_rows_accepted_and_rejected(lines: list[Any]) -> None:
    found = accepted_or_nothing([*lines, GOOD])
    assert found is not None
    report = found.report
    assert report["read"] == len(lines) + 1 == report["accepted"] + report["rejected"]
    assert (report["accepted"], report["rejected"]) == (len(found.rows), len(found.rejected))
    assert len({row["id"] for row in found.rows}) == len(found.rows)


@SETTINGS
@given(st.lists(rows, min_size=1, max_size=12), st.randoms(use_true_random=False))
@example([{"text": "a", "label": "refund"}, {"text": "a", "label": "account"}], random.Random(0))
def test_neither_order_nor_repeated_rows_change_a_byte(lines: list[Any], chance: random.Random) -> None:
    again = [*lines, *chance.choices(lines, k=3)]
    chance.shuffle(again)
    some, same = accepted_or_nothing(lines), accepted_or_nothing(again)  # nothing, where all contradict one another
    assert (same and same.accepted) == (some and some.accepted)


def test_rejected_rows_are_told_with_their_reasons_and_repeated_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Diagnostic] = []
    monkeypatch.setattr(progress, "_heeder", heard.append)
    read_jsonl([GOOD, GOOD])
    assert not heard
    read_jsonl([GOOD, {"text": "a", "label": "Refund"}, {"text": "b", "label": "Refund"}, 7])
    (found,) = heard
    assert (found.code, found.severity, found.message) == ("T620", "warning", "3 of 4 rows are rejected")
    assert found.span is not None and found.span.line == 2
    assert found.notes[0].startswith("2 by ")


def test_each_gate_is_told_with_what_it_turned_away_and_where_that_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Diagnostic] = []
    monkeypatch.setattr(progress, "_heeder", heard.append)
    broken = [{"label": "refund"}, {"text": "c"}, {"text": " ", "label": "refund"}, {"text": "e"}]
    read_jsonl([GOOD, *broken, {"text": "b", "label": "Refund"}, 7])
    (found,) = heard
    file = "data/raw/rows.jsonl"
    assert found.notes == (
        f"2 by row: the answer is missing: no column output, label, answer (first at {file}:3)",
        f"1 by row: the input field text is missing (first at {file}:2)",
        f"1 by row: every input field is empty (first at {file}:4)",
        f"1 by contract: `Refund` is no label of the contract: did you mean `refund`? (first at {file}:6)",
        f"1 by format: not a JSON object (first at {file}:7)",
        TEACHABLE,
    )
    assert found.help == "`tunec data show row` prints them; mend them"
    assert found.span is not None and found.span.line == 3


def heard_of(monkeypatch: pytest.MonkeyPatch, rows: list[Any], task: str = LABELS) -> Diagnostic:
    heard: list[Diagnostic] = []
    monkeypatch.setattr(progress, "_heeder", heard.append)
    read_jsonl(rows, task)
    return next(found for found in heard if found.code == "T620")


def labelled(*labels: str) -> list[dict[str, str]]:
    return [{"text": f"number {n} of {n * n}", "label": label} for n, label in enumerate(labels)]


def test_each_label_that_the_contract_lacks_is_counted_and_told_what_to_do_about_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = labelled(*["refund", "account"] * 5)
    strange = labelled("Refnud", "careers", "careers", " shipping", "careers", "Account")
    found = heard_of(monkeypatch, [*good, *strange])
    file = "data/raw/rows.jsonl"
    assert found.notes == (
        "3 by contract: `careers` is no label of the contract: mend it, or add it to output_format.schema.enum "
        f"(first at {file}:12)",
        f"1 by contract: `Refnud` is no label of the contract: did you mean `refund`? (first at {file}:11)",
        f"1 by contract: `shipping` stands with blanks around it (first at {file}:14)",
        f"1 by contract: `Account` is no label of the contract: did you mean `account`? (first at {file}:16)",
    )


def test_so_is_a_value_of_a_field_of_the_contract() -> None:
    fields = "intent: {enum: [lost_card, exchange-rate]}, who: {type: array, items: {enum: [a, b]}}"
    task = with_schema(f"{{type: object, properties: {{{fields}}}}}")
    answers = [{"intent": "Lost Card"}, {"intent": "weather"}, {"who": ["a", "me"]}, {"intent": 7}]
    good = [{"text": f"good {n}", "place": "b", "intent": "lost_card"} for n in range(5)]
    rows = [*good, *({"text": str(n), "place": "b", "output": one} for n, one in enumerate(answers))]
    assert read_jsonl(rows, task).lines == {
        6: "`Lost Card` is none of intent's values: did you mean `lost_card`?",
        7: "`weather` is none of intent's values: mend it, or add it to the enum of intent in output_format.schema",
        8: "`me` is none of who's values: mend it, or add it to the enum of who in output_format.schema",
        9: "intent is none of lost_card, exchange-rate",
    }


@pytest.mark.parametrize(
    "label",
    [
        "zoe@example.com",
        "AKIAIOSFODNN7EXAMPLE",
        "+44 20 7946 0958",
        "4111111111111111",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "P@ssw0rd",
        "two\nlines",
        "a" * 41,
        "`x`",
    ],
)
def test_what_may_be_more_than_a_label_is_not_named(label: str) -> None:
    (found,) = read_jsonl([GOOD, {"text": "b", "output": label}]).rejected
    assert (found["gate"], found["reason"]) == ("contract", "the answer is none of account, refund, shipping")


def test_a_build_stops_where_more_than_half_of_the_rows_break_the_contract() -> None:
    half = labelled("refund", "account", "other", "another")
    assert len(read_jsonl(half).rows) == 2
    with pytest.raises(UserError) as refused:
        read_jsonl([*half, *labelled("other")])
    (found,) = refused.value.diagnostics
    assert (found.code, found.message) == ("T683", "3 of 5 rows break the contract, more than half")
    assert found.notes[0].startswith("2 by contract: `other` is no label") and len(found.notes) == 2
    assert found.span is not None and found.span.line == 3 and found.help and "tunec data check" in found.help


def test_rows_that_are_rejected_for_other_reasons_stop_no_build() -> None:
    assert len(read_jsonl([GOOD, *({"text": f"no answer {n}"} for n in range(9)), 7]).rows) == 1


def test_where_nothing_is_left_that_is_what_is_told() -> None:
    with pytest.raises(UserError) as refused:
        read_jsonl(labelled("other", "other"))
    assert refused.value.diagnostics[0].code == "T301" and "`other`" in refused.value.diagnostics[0].notes[0]


def test_no_judge_is_asked_of_rows_whose_build_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.data._ask", lambda *_: pytest.fail("it was asked"))
    asked = "gates: {judge: warn}, judge: {endpoint: http://127.0.0.1:9/v1, model: m}"
    judged = f"data: {{sources: [{{path: data/raw/rows.jsonl}}], {asked}}}\n"
    with pytest.raises(UserError) as refused:
        read_jsonl(labelled("refund", "x", "y"), LABELS + judged)
    assert refused.value.diagnostics[0].code == "T683"


def test_many_different_reasons_are_counted_together_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.data._DIFFERENT", 12)
    good = [{"text": f"good {n} of {n}", "label": "refund"} for n in range(60)]
    found = heard_of(monkeypatch, [*good, *labelled(*(f"label {n}" for n in range(50)))])
    assert found.notes[0].startswith("38 by contract: other reasons (first at ")
    assert len(found.notes) == 11 and found.notes[-1] == "3 for 3 other reasons"


def test_damage_of_one_kind_is_counted_as_one_wherever_it_stands_in_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Diagnostic] = []
    monkeypatch.setattr(progress, "_heeder", heard.append)
    broken = b"".join(b'{"text": "%s" "label": "refund"}\n' % (b"a" * n) for n in range(1, 6))
    found = read({"data/raw/rows.jsonl": jsonl([GOOD]) + broken})
    assert len(set(found.lines.values())) == 5, "each row says where"
    assert heard[0].notes == ("5 by format: not JSON: Expecting ',' delimiter (first at data/raw/rows.jsonl:2)",)
    assert found.report["reasons"] == {"not JSON: Expecting ',' delimiter": 5}


def test_a_teacher_is_named_only_where_it_could_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Diagnostic] = []
    monkeypatch.setattr(progress, "_heeder", heard.append)
    read_jsonl([GOOD, {"text": "b", "label": "Refund"}])
    assert TEACHABLE not in heard[0].notes
    with pytest.raises(UserError) as refused:
        read_jsonl([{"text": "b"}])
    assert TEACHABLE in refused.value.diagnostics[0].notes


def test_quotas_that_are_not_met_are_told_with_how_many_rows_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Diagnostic] = []
    monkeypatch.setattr(progress, "_heeder", heard.append)
    quota = "data: {quotas: [{by: label, value: refund, min: %d}, {by: label, value: account, min: 3}]}\n"
    read_jsonl([GOOD], LABELS + quota % 1)
    read_jsonl([GOOD], LABELS + (quota % 1).replace("min: 3", "min: 0"))
    (found,) = heard
    assert (found.code, found.severity, found.message) == ("T880", "warning", "1 of 2 quotas is not met")
    assert found.notes == ("3 more with label account; there are 0",) and found.help


def test_neither_the_order_of_keys_in_a_row_changes_a_byte() -> None:
    one = {"text": {"b": 1, "a": [{"d": 1, "c": 2}]}, "output": {"time": "7", "people": "2"}, "place": "x"}
    two = {"place": "x", "output": {"people": "2", "time": "7"}, "text": {"a": [{"c": 2, "d": 1}], "b": 1}}
    assert read_jsonl([one, two], SLOTS).accepted == read_jsonl([two, one], SLOTS).accepted
    assert read_jsonl([one, two], SLOTS).report["duplicates"] == 1


def test_a_source_split_over_several_files_gives_the_same_rows() -> None:
    lines = [{"text": f"row {n}", "label": "refund"} for n in range(20)]
    task = LABELS + "data: {sources: [{path: data/raw/*}]}\n"
    parts = {"data/raw/b.jsonl": jsonl(lines[7:]), "data/raw/a.jsonl": jsonl(lines[:7])}
    assert read(parts, task).accepted == read_jsonl(lines).accepted


@SETTINGS
@given(
    st.lists(
        st.fixed_dictionaries(
            {"text": texts.filter(str.strip), "people": texts.filter(bool), "size": st.integers(0, 9)}
        ),
        min_size=1,
        max_size=6,
    )
)
def test_csv_parquet_and_jsonl_of_the_same_rows_give_the_same_bytes(lines: list[dict[str, Any]]) -> None:
    answers = [{"people": line["people"], **({"size": line["size"]} if line["size"] else {})} for line in lines]
    both = [
        {"text": line["text"], "place": "here", "output": answer} for line, answer in zip(lines, answers, strict=True)
    ]
    outcomes = {name: outcome(name, content) for name, content in written(both).items()}
    assert outcomes["rows.csv"] == outcomes["rows.jsonl"] == outcomes["rows.parquet"]


def outcome(name: str, content: bytes) -> bytes:
    path = f"data/raw/{name}"
    try:
        return read({path: content}, SLOTS + f"data: {{sources: [{{path: {path}}}]}}\n").accepted
    except UserError as refused:
        return refused.diagnostics[0].code.encode()


def written(lines: list[dict[str, Any]]) -> dict[str, bytes]:
    """The same rows in each of the formats; CSV holds the answer as JSON text."""
    text = io.StringIO()
    out = csv.writer(text, quoting=csv.QUOTE_ALL)
    out.writerow(["text", "place", "output"])
    out.writerows([line["text"], line["place"], json.dumps(line["output"], ensure_ascii=False)] for line in lines)
    binary = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(lines), binary)
    return {"rows.csv": text.getvalue().encode(), "rows.jsonl": jsonl(lines), "rows.parquet": binary.getvalue()}


@pytest.mark.parametrize(
    ("splits", "kept"),
    [
        (["train", "test"], "test"),
        (["test", "train"], "test"),
        (["train", "dev"], "dev"),
        (["dev", "test"], "test"),
        ([None, "train"], None),  # what is brought to train on takes no row out of dev and test
        (["train", None], None),
    ],
)
def test_a_row_in_two_splits_stays_in_the_one_furthest_from_training(
    splits: list[str | None], kept: str | None
) -> None:
    found = read_jsonl([{**GOOD, "split": split} for split in splits])
    assert [row.get("split") for row in found.rows] == [kept]
    assert found.report["duplicates"] == 1


@pytest.mark.parametrize(
    ("written", "split"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("validation", "dev"),
        ("val", "dev"),
        ("eval", "dev"),
        (" test ", "test"),
        ("", None),
    ],
)
def test_the_usual_names_of_splits_are_known(written: str, split: str | None) -> None:
    assert read_jsonl([{**GOOD, "split": written}]).rows[0]["split"] == split


def test_the_role_of_a_source_outweighs_its_split_column() -> None:
    task = LABELS + "data: {sources: [{path: data/raw/rows.jsonl, role: test}]}\n"
    assert read_jsonl([{**GOOD, "split": "train"}], task).rows[0]["split"] == "test"


@pytest.mark.parametrize(
    ("role", "lines", "notes"),
    [
        ("test", [], ["0 rows were read from it", "without it, test rows would be drawn from those to train on"]),
        ("dev", [7], ["1 row was read from it", "without it, dev rows would be drawn from those to train on"]),
        ("golden", [{"text": "a", "label": "Refund"}] * 2, ["2 rows were read from it"]),
        ("holdout", [{"text": "b"}], ["1 row was read from it"]),
    ],
)
def test_a_split_that_a_source_is_there_for_has_a_row(role: str, lines: list[Any], notes: list[str]) -> None:
    sources = f"[{{path: data/raw/rows.jsonl, role: train}}, {{path: data/apart.jsonl, role: {role}}}]"
    rows = [{"text": f"row {n}", "label": "refund"} for n in range(9)]
    task = LABELS + f"data: {{sources: {sources}}}\n"
    with pytest.raises(UserError) as refused:
        read({"data/raw/rows.jsonl": jsonl(rows), "data/apart.jsonl": jsonl(lines)}, task)
    (found,) = refused.value.diagnostics
    assert (found.code, found.key, list(found.notes)) == ("T686", "data.sources.1.role", notes)
    assert found.message == f"no row is left for {role}, which data/apart.jsonl is there for"
    beside = jsonl([*rows, {**GOOD, "split": role}])
    assert read({"data/raw/rows.jsonl": beside, "data/apart.jsonl": jsonl(lines)}, task.replace(", role: train", ""))


# What stands in the row -> the reason why it is rejected, or the answer that is read.
ANSWERS: list[tuple[Any, Any]] = [
    ({"output": {"people": "2"}}, {"people": "2"}),
    ({"output": '{"people": "2"}'}, {"people": "2"}),
    ({"output": "{people: 2}"}, "the answer is not of type object"),
    ({"output": '{"size": 2}'}, {"size": 2}),
    ({"output": {"size": "2"}}, "size is not of type integer"),
    ({"output": {"party": "2"}}, "the answer has the unknown field party"),
    ({"output": None}, "the answer is missing: `output` is empty"),
    ({"answer": {"time": "7"}}, {"time": "7"}),
    ({"people": "2", "time": "7"}, {"people": "2", "time": "7"}),
    ({}, {}),
]


@pytest.mark.parametrize(("fields", "expected"), ANSWERS)
def test_an_answer_is_found_in_its_column_or_in_the_schemas_own(fields: dict[str, Any], expected: Any) -> None:
    found = read_jsonl([{"text": "a", "place": "b", "output": {}}, {"text": "t", "place": "p", **fields}], SLOTS)
    row = [row for row in found.rows if row["input"] == {"text": "t", "place": "p"}]
    assert (row[0]["output"] if row else found.lines[2]) == expected


def with_schema(schema: str) -> str:
    begin, end = SLOTS.index("    type: object"), SLOTS.index("training:")
    return SLOTS[:begin] + f"    {schema}\n" + SLOTS[end:]


OWN = "{label: {type: string}, answer: {type: string}}"


@pytest.mark.parametrize(
    ("schema", "fields", "answer"),
    [
        (OWN, {"label": "a", "answer": "b"}, {"label": "a", "answer": "b"}),
        (OWN, {"output": '{"label": "a", "answer": "b"}', "label": "x"}, {"label": "a", "answer": "b"}),
        ("{output: {type: string}}", {"output": "a", "extra": "b"}, {"output": "a"}),
        ("{people: {type: string}}", {"label": {"people": "2"}}, {"people": "2"}),
    ],
)
def test_a_field_of_the_contract_is_no_column_of_whole_answers(schema: str, fields: Any, answer: Any) -> None:
    assert read_jsonl([{"text": "t", "place": "p", **fields}], with_schema(schema)).rows[0]["output"] == answer


def test_a_schema_that_no_grammar_can_hold_stops_the_build_at_its_first_stage() -> None:
    with pytest.raises(UserError) as refused:
        read_jsonl([GOOD], with_schema("{people: {type: string, pattern: a}}"))
    assert [found.code for found in refused.value.diagnostics] == ["T352"]


def test_a_text_that_fits_the_contract_is_not_taken_for_json() -> None:
    found = read_jsonl([{"text": "a", "place": "b", "output": "42"}], with_schema("{type: string, minLength: 1}"))
    assert found.rows[0]["output"] == "42"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"text": "a"}, "the input field place is missing"),
        ({"text": "a", "place": None}, "the input field place is missing"),
        ({"text": "", "place": " "}, "every input field is empty"),
        ({"text": "\u200b\ufeff", "place": "\u3000"}, "every input field is empty"),
        ({"text": [], "place": {}}, "every input field is empty"),
    ],
)
def test_a_row_with_nothing_to_read_is_rejected(fields: dict[str, Any], reason: str) -> None:
    found = read_jsonl([{"text": "a", "place": "b", "output": {}}, {**fields, "output": {}}], SLOTS)
    assert found.lines == {2: reason}


@pytest.mark.parametrize("value", [0, 7, False, ["a"], {"a": 1}])
def test_an_input_need_not_be_text(value: Any) -> None:
    assert read_jsonl([{"text": value, "label": "refund"}]).rows[0]["input"] == {"text": value}


def test_columns_are_renamed_and_the_new_name_wins_over_an_old_one() -> None:
    task = LABELS + "data: {sources: [{path: data/raw/rows.jsonl, map: {text: utterance, label: intent}}]}\n"
    for row in (
        {"utterance": "a", "intent": "refund", "text": "x"},
        {"text": "x", "intent": "refund", "utterance": "a"},
    ):
        assert read_jsonl([row], task).rows[0]["input"] == {"text": "a"}


def test_one_column_may_serve_as_input_and_as_answer() -> None:
    task = LABELS + "data: {sources: [{path: data/raw/rows.jsonl, map: {text: word, label: word}}]}\n"
    assert read_jsonl([{"word": "refund"}], task).rows[0]["output"] == "refund"


def test_values_that_json_does_not_have_reject_their_row_and_no_other() -> None:
    import datetime

    lines = [
        {"text": "a", "label": "refund", "when": datetime.date(2026, 1, 1)},
        {"text": "b", "label": "refund", "when": None},
    ]
    binary = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(lines), binary)
    found = read(
        {"data/raw/rows.parquet": binary.getvalue()}, LABELS + "data: {sources: [{path: data/raw/rows.parquet}]}\n"
    )
    assert [row["input"]["text"] for row in found.rows] == ["b"]
    assert found.lines[1].startswith("not JSON")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.parquet", b"PAR1 not really", "rows.parquet is not Parquet"),
        ("rows.csv", b'"text" x,label\na,refund\n', "rows.csv is not CSV"),
        ("rows.csv", b"text,text\na,b\n", "rows.csv: a column has no name, or two have the same"),
        ("rows.xlsx", b"PK not really", "rows.xlsx is not Excel"),
        ("rows.arrow", b"ARROW1 not really", "rows.arrow is not Arrow"),
        ("rows.jsonl.gz", b"no gzip", "rows.jsonl.gz cannot be unpacked"),
    ],
)
def test_a_file_that_is_not_of_its_format_is_refused_by_name(name: str, content: bytes, message: str) -> None:
    with pytest.raises(UserError) as refused:
        read({f"data/raw/{name}": content}, LABELS + f"data: {{sources: [{{path: data/raw/{name}}}]}}\n")
    (found,) = refused.value.diagnostics
    assert found.code == "T302" and found.message.startswith(message) and found.help


def test_a_csv_row_with_too_few_or_too_many_cells_is_rejected_with_its_line() -> None:
    content = b"text,label\na,refund\nb\nc,refund,more\n\nd,refund\n"
    found = read({"data/raw/rows.csv": content}, LABELS + "data: {sources: [{path: data/raw/rows.csv}]}\n")
    assert found.lines == {3: "1 cell where the header has 2", 4: "3 cells where the header has 2", 5: "an empty line"}
    assert len(found.rows) == 2


TABLE = LABELS + "data: {sources: [{path: data/raw/rows.csv}]}\n"
TABLES = TABLE.replace("rows.csv", "*.csv")
OPEN = 'text,label\none,refund\n"two,refund\nthree,refund\n%s\nlast,account\n'


@pytest.mark.parametrize(
    ("line", "kept", "told"),
    [
        ('four "and" more,refund', ["last", "one"], "is closed in the middle of line 5, so the 2 lines after it were"),
        ('"four",refund', ["last", "one"], "is closed in the middle of line 5, so the 2 lines after it were"),
        ("four,refund", ["one"], "is never closed, so the 3 lines after it were"),
    ],
)
def test_an_open_quote_is_named_by_the_line_where_it_opens_and_no_line_after_it_is_lost(
    line: str, kept: list[str], told: str
) -> None:
    content = (OPEN % line).encode()
    found = read({"data/raw/rows.csv": content}, TABLE)
    assert sorted(row["input"]["text"] for row in found.rows) == kept
    assert found.report["read"] == len(content.splitlines()) - 1, "a row is a line here, and each is counted"
    assert found.lines[3] == f"not CSV: the quote that opens here {told} read as one field"
    others = {reason for line, reason in found.lines.items() if line > 3}
    assert others == {"not CSV: it was read into the field whose quote opens in line 3"}


def test_the_quote_is_found_in_the_field_and_line_where_it_opens() -> None:
    content = b'text,label\n"a ""legal"" one,\nover two lines","account\nb,refund\nc,refund\n'
    found = read({"data/raw/rows.csv": content, "data/raw/good.csv": b"text,label\nd,refund\n"}, TABLES)
    assert found.lines.keys() == {3, 4, 5} and "the 2 lines after it" in found.lines[3]


def test_a_quote_that_is_open_in_the_last_line_or_in_the_header_is_named_as_well() -> None:
    found = read({"data/raw/rows.csv": b'text,label\na,refund\nb,"account\n'}, TABLE)
    assert found.lines == {3: "not CSV: the quote that opens here is never closed"}
    with pytest.raises(UserError) as refused:
        read({"data/raw/rows.csv": b'text,"label\na,refund\nb,account\n'}, TABLE)
    (told,) = refused.value.diagnostics
    assert told.code == "T302" and told.span == Span("data/raw/rows.csv", 1)
    assert told.message.startswith("rows.csv is not CSV: the quote that opens here is never closed, so the 2 lines")


def test_a_quote_that_takes_in_more_than_a_row_may_hold_loses_no_line() -> None:
    long = b"".join(b"%s,refund\n" % (b"%d " % n * 150_000) for n in range(1, 9))
    found = read({"data/raw/rows.csv": b'text,label\na,refund\n"b,refund\n' + long + b"c,account\n"}, TABLE)
    assert found.lines[3].startswith(
        "not CSV: the quote that opens here is not closed within 1,000,000 characters, so the "
    )
    assert found.report["read"] == 11


def test_lines_that_a_quote_makes_one_row_of_too_few_cells_are_named() -> None:
    found = read({"data/raw/rows.csv": b'text,label\n"a,refund\nb,refund\nc,"\nd,refund\n'}, TABLE)
    assert found.lines == {4: "1 cell where the header has 2; a quote makes one row of lines 2 to 4"}


def test_a_cell_of_several_hundred_kilobytes_is_read() -> None:
    content = b'text,label\n"' + b"a" * 300_000 + b'",refund\n'
    long = "data: {sources: [{path: data/raw/rows.csv}], length: {max_tokens: 100000}}\n"
    found = read({"data/raw/rows.csv": content}, LABELS + long)
    assert len(found.rows[0]["input"]["text"]) == 300_000


def test_a_row_longer_than_its_bound_is_rejected_and_never_cut() -> None:
    task = LABELS + "data: {sources: [{path: data/raw/rows.jsonl}], length: {max_tokens: 100}}\n"
    found = read_jsonl([GOOD, {"text": "a " * 300, "label": "refund"}], task)
    assert found.lines == {2: "longer than 100 tokens"} and len(found.rows) == 1


def test_a_damaged_csv_record_is_rejected_and_the_rest_is_read() -> None:
    content = b'text,label\n"a" b,refund\nc,refund\n\xff\xfe,refund\nd,refund\n'
    found = read({"data/raw/rows.csv": content}, LABELS + "data: {sources: [{path: data/raw/rows.csv}]}\n")
    assert sorted(row["input"]["text"] for row in found.rows) == ["c", "d"]
    assert found.lines[2].startswith("not CSV") and found.lines[4] == "not UTF-8"
