"""What `tunec check` says of rows, by a look into files that are small enough to be looked through."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compiler import compile_task
from compiler.workspace import Peek
from stages import history
from tests.compiling import told, workspace
from tunec.peeking import peek
from tunec.sealing import Asked
from tunec.workspace import DATA_REPORT, Disk

TASK = """\
task_name: intents
task_type: classification
input_template: "{text}"
output_format: {type: label, schema: {enum: [refund, billing]}}
training: {base_model: smollm2-135m}
success_criteria: {threshold: 0.7}
"""
ONE, BOTH = ({"label": frozenset(labels)} for labels in (["refund"], ["refund", "billing"]))
FIRST, SECOND = "data/raw/0.jsonl", "data/raw/1.jsonl"


def seen(said: Mapping[str, frozenset[str]], **longest: int) -> Peek:
    return Peek(frozenset({"text", "label"}), 500, longest=longest, said=said)


def said_of(task: str = TASK, **around: Any) -> list[tuple[str, str]]:
    return [(found.code, found.message) for found in told(task, **around) if found.code in ("T118", "T681")]


def test_a_label_without_a_row_is_told_by_the_rows_as_they_stand_before_what_a_build_counted() -> None:
    lacking, counted = [("T118", "no row has the label 'billing'")], {"refund": 3}
    assert said_of(peeks={FIRST: seen(ONE)}) == lacking
    assert said_of(peeks={FIRST: seen(BOTH)}, counted=counted) == []
    assert said_of(peeks={FIRST: seen({})}, counted=counted) == lacking, "a file that was not seen whole says nothing"
    assert said_of(peeks={FIRST: seen({})}) == []
    assert said_of(peeks={FIRST: seen(ONE), SECOND: seen({})}) == []


def test_what_a_workspace_is_asked_of_labels_can_be_sealed() -> None:
    asked = Asked(workspace(FIRST, SECOND, peeks={FIRST: seen({})}, counted={"refund": 3}))
    compile_task(TASK, asked)
    assert ["labels", [[FIRST, SECOND]]] in [said[:2] for said in json.loads(json.dumps(asked.answers))]


def test_many_labels_without_a_row_are_told_at_once() -> None:
    several = TASK.replace("[refund, billing]", "[refund, a, b, c, d]")
    assert len(said_of(several, peeks={FIRST: seen(ONE)})) == 4
    many = TASK.replace("[refund, billing]", "[refund, a, b, c, d, e]")
    assert said_of(many, peeks={FIRST: seen(ONE)}) == [
        ("T118", "5 of 6 labels have no row"),
    ]


def test_a_row_is_too_long_where_hardly_a_tokenizer_would_let_it_fit() -> None:
    long, short = seen(BOTH, text=6145), seen(BOTH, text=6144, other=99_999)
    assert [code for code, _ in said_of(peeks={FIRST: long})] == ["T681"]
    assert said_of(peeks={FIRST: short}) == [], "nothing reads the other column"
    assert said_of(TASK + "data: {length: {max_tokens: 1500}}\n", peeks={FIRST: long}) == [], "the gate drops it"
    off = TASK + "data: {length: {max_tokens: 1500}, gates: {length: warn}}\n"
    assert [code for code, _ in said_of(off, peeks={FIRST: long})] == ["T681"]
    gold = f"data: {{sources: [{{path: {FIRST}, role: golden}}, {{path: {SECOND}}}]}}\n"
    assert said_of(TASK + gold, peeks={FIRST: long, SECOND: short}) == [], "golden rows are not trained on"


def test_a_look_into_a_file_tells_its_labels_where_it_sees_the_whole_of_it(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    rows = [{"text": f"é{n}", "output": {"intent": "ab"[n % 2], "urgent": True}} for n in range(600)]
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    found = peek(file, "auto")
    assert found and found.said == {"output.intent": {"a", "b"}}, "600 different texts are no labels"
    assert found.longest == {"text": len("é599".encode())}
    with file.open("a", encoding="utf-8") as more:
        more.write("\n" * 300_000)
    found = peek(file, "auto")
    assert found and found.said == {} and found.longest


def test_an_answer_that_is_written_as_json_in_a_table_shows_its_label(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text('text,output\nhello,"{""intent"": ""a""}"\n{no json},\n', encoding="utf-8")
    found = peek(file, "auto")
    assert found and found.said["output.intent"] == {"a"} and found.said["text"] == {"hello", "{no json}"}


def test_what_a_build_counted_is_told_of_the_files_that_it_read_alone(tmp_path: Path) -> None:
    file, disk = tmp_path / FIRST, Disk(tmp_path)
    file.parent.mkdir(parents=True)
    file.write_text('{"text": "a", "label": "refund"}\n', encoding="utf-8")
    (tmp_path / DATA_REPORT).parent.mkdir(parents=True)
    (tmp_path / DATA_REPORT).write_text('{"labels": {"refund": 1}}', encoding="utf-8")
    assert disk.labels([FIRST]) is None, "nobody knows of which rows the report is"
    content = file.read_bytes()
    dep = {"path": FIRST, "hash": "md5", "md5": history.md5(content), "size": len(content)}
    params = {"params.yaml": {"data": {"sources": [{"files": [FIRST]}]}}}
    lock = {"schema": "2.0", "stages": {"data": {"cmd": "x", "deps": [dep], "params": params}}}
    (tmp_path / "dvc.lock").write_text(json.dumps(lock), encoding="utf-8")
    assert disk.labels([FIRST]) == {"refund": 1}
    assert disk.labels([FIRST, SECOND]) is None, "a file came"
    assert disk.labels([]) is None, "a file went"
    file.write_text('{"text": "b", "label": "refund"}\n', encoding="utf-8")
    assert disk.labels([FIRST]) is None, "as long as before, and other rows"
