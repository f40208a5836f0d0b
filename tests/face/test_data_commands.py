"""`tunec data show | diff | check` on a workspace of a few rows."""

from __future__ import annotations

import json
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from stages import audit, data
from stages.diagnostics import Span, UserError
from tunec.comparing_data import difference
from tunec.compiling import compile_workspace
from tunec.dvc import EVENTS
from tunec.examining import examine
from tunec.leaving_out import without
from tunec.showing_rows import rows, shown
from tunec.workspace import Disk

TASK = """\
task_name: letters
task_type: classification
input_template: "{text}"
output_format: {type: label, schema: {enum: [a, b]}}
training: {base_model: smollm2-135m}
success_criteria: {threshold: 0.7}
"""
GOOD = [{"text": f"number {n} of {n * n}", "label": "ab"[n % 2]} for n in range(6)]
BAD = {"text": "my mail is zoe@example.com and my key AKIAIOSFODNN7EXAMPLE", "label": "a"}


def built(root: Path, lines: list[dict[str, Any]], task: str = TASK) -> Path:
    (root / "data/raw").mkdir(parents=True, exist_ok=True)
    (root / "task.yaml").write_text(task, encoding="utf-8")
    text = "".join(json.dumps(line) + "\n" for line in lines) + "{broken\n"
    (root / "data/raw/rows.jsonl").write_text(text, encoding="utf-8")
    with chdir(root):
        plan = compile_workspace(Path(), []).plan["data"]
        home = Path("build/data")
        home.mkdir(parents=True, exist_ok=True)
        out = data.Outputs(**{name: home / write.path for name, write in data.STAGE.writes().items()})
        data.run(data.Inputs((Path("data/raw/rows.jsonl"),)), data.DataParams(**plan.params), out)
    return root


def test_rejected_rows_are_shown_with_file_and_line_and_nothing_personal(tmp_path: Path) -> None:
    root = built(tmp_path, [*GOOD, BAD])
    told = shown(root, "secrets", 20)
    assert told.startswith("data/raw/rows.jsonl:7: [secrets] it holds a secret: aws_key")
    assert "zoe" not in told and "AKIA" not in told and "[EMAIL_1]" in told
    assert "data/raw/rows.jsonl:8: [format] not JSON" in shown(root, "not json", 20)
    assert "1 rejected" in shown(root, None, 20) and len(rows(root, None)) >= 2
    with pytest.raises(UserError) as refused:
        shown(root, "near", 20)
    assert refused.value.diagnostics[0].code == "T613"


def test_each_gate_is_shown_with_the_count_of_each_of_its_reasons(tmp_path: Path) -> None:
    strange = [{"text": f"strange {n} of {n * n}", "label": f"other {n // 2}"} for n in range(24)]
    many = [{"text": f"more {n} of {n * n}", "label": "ab"[n % 2]} for n in range(30)]
    told = shown(built(tmp_path, [*many, *strange, {**strange[0], "text": "once more"}]), None, 20).splitlines()
    assert told[0] == "56 rows read, 30 accepted, 26 rejected"
    first = next(number for number, line in enumerate(told) if line.split()[0] == "contract")
    assert told[first].split() == ["contract", "25", "rejected", "0", "flagged"]
    assert told[first + 1].split()[:3] == ["3", "`other", "0`"]
    assert told[first + 11].split() == ["4", "other", "reasons"]


@pytest.mark.parametrize("reason", [None, "secrets", "0123456789ab"])
def test_before_the_first_build_there_is_nothing_to_show_in_words_or_as_json(
    reason: str | None, tmp_path: Path
) -> None:
    for look in (lambda: shown(tmp_path, reason, 20), lambda: rows(tmp_path, reason)):
        with pytest.raises(UserError) as refused:
            look()
        assert refused.value.diagnostics[0].code == "T407"


def test_where_the_data_stage_stopped_its_reason_is_shown_instead_of_rows(tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        shown(tmp_path, None, 20)
    assert refused.value.diagnostics[0].help == "run `tunec build data`"
    said = {"code": "T301", "message": "none of 3 rows is left"}
    told = [{"stage": "data", "event": "start"}, {"stage": "data", "event": "refused", "diagnostics": [said]}]
    (tmp_path / EVENTS).parent.mkdir(parents=True)
    (tmp_path / EVENTS).write_text("".join(json.dumps(line) + "\n" for line in told), encoding="utf-8")
    with pytest.raises(UserError) as refused:
        shown(tmp_path, None, 20)
    (found,) = refused.value.diagnostics
    assert "the last one stopped at data" in found.message and found.notes == ("data: none of 3 rows is left (T301)",)


def test_a_row_of_the_build_leads_to_its_file_and_line_by_its_id(tmp_path: Path) -> None:
    mail = {"text": "my mail is zoe@example.com", "label": "a"}
    root = built(tmp_path, [*GOOD, mail], TASK + "data: {gates: {pii: redact}}\n")
    accepted = [json.loads(line) for line in (root / "build/data/accepted.jsonl").read_text().splitlines()]
    assert len(accepted) == 7
    for row in accepted:
        (place,) = rows(root, row["id"])
        there = [*GOOD, mail][place["line"] - 1]["text"]
        assert place["file"] == "data/raw/rows.jsonl" and (
            row["input"]["text"] == there or "[EMAIL_1]" in place["text"]
        )
        told = shown(root, row["id"], 20)
        assert told.startswith(f"data/raw/rows.jsonl:{place['line']}: row {row['id']}") and "zoe" not in told
    with pytest.raises(UserError, match="no source holds a row 0123456789ab"):
        shown(root, "0123456789ab", 20)


def test_a_row_that_a_teacher_made_leads_to_the_row_that_it_was_made_from(tmp_path: Path) -> None:
    root = built(tmp_path, GOOD)
    parent = json.loads((root / "build/data/accepted.jsonl").read_text().splitlines()[0])
    for stage, made in (("splits", parent), ("augment", {**parent, "id": "0123456789ab", "parent": parent["id"]})):
        (root / "build" / stage).mkdir()
        for split in ("train", "dev", "test", "golden", "adversarial"):
            text = json.dumps(made) + "\n" if split == "train" else ""
            (root / "build" / stage / f"{split}.jsonl").write_text(text, encoding="utf-8")
    assert shown(root, "0123456789ab", 20) == shown(root, parent["id"], 20)


def test_a_phone_number_of_the_tasks_regions_is_hidden(tmp_path: Path) -> None:
    dialled = {"text": "tlf 22 12 34 56", "label": "a"}
    told = shown(built(tmp_path, [*GOOD, dialled], TASK + "data: {pii: {regions: [NO]}}\n"), "pii", 20)
    assert "it holds personal data: phone" in told and "[PHONE_1]" in told and "12 34" not in told


def test_nothing_of_what_was_found_stands_in_any_file_of_the_build(tmp_path: Path) -> None:
    root = built(tmp_path, [*GOOD, BAD])
    written = [path.read_text(encoding="utf-8") for path in (root / "build").rglob("*") if path.is_file()]
    assert not [text for text in written if "zoe@" in text or "AKIA" in text]


def test_two_versions_are_told_apart_row_by_row(tmp_path: Path) -> None:
    before = built(tmp_path / "one", GOOD) / data.STAGE.name
    now = built(tmp_path / "two", [*GOOD[1:], {**GOOD[0], "label": "b"}, {"text": "new", "label": "a"}])
    found = difference(now, str(before.parent), None)
    assert (len(found.added), len(found.removed), len(found.changed)) == (1, 0, 1)
    assert found.answers == {"b": 1}
    told = found.text()
    assert "+ " + found.added[0] + '  {"input": {"text": "new"}, "output": "a"}' in told
    assert told.count('"text": "number 0 of 0"') == 2, "a changed row as it was, and as it is"
    assert difference(now, "build/data/accepted.jsonl", None).text() == "the same rows"


def test_what_is_personal_in_a_row_is_hidden_where_versions_are_told_apart(tmp_path: Path) -> None:
    before = built(tmp_path / "one", GOOD)
    mail = {"text": "my mail is zoe@example.com, call 22 12 34 56", "label": "a"}
    long = " ".join(f"word{n}" for n in range(99))
    task = TASK + "data: {gates: {pii: off}, pii: {regions: [NO]}}\n"
    now = built(tmp_path / "two", [*GOOD, mail, {"text": long, "label": "b"}], task)
    told = difference(now, str(before), None).text()
    assert "[EMAIL_1]" in told and "zoe" not in told and "12 34" not in told
    assert max(map(len, told.splitlines())) < 280 and "…" in told


def test_so_is_what_is_personal_in_an_answer_that_is_counted(tmp_path: Path) -> None:
    for name, outputs in (("one", ["yes"]), ("two", ["yes", "yes", "ask zoe@example.com\x1b[2J"])):
        rows = [{"id": f"{n:012x}", "input": {"text": str(n)}, "output": said} for n, said in enumerate(outputs)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = difference(tmp_path, "one.jsonl", "two.jsonl")
    assert found.answers == {"yes": 1, "ask [EMAIL_1]\ufffd[2J": 1}


def test_rows_that_wait_stand_in_the_counts(tmp_path: Path) -> None:
    generate = "generate: {teacher: {endpoint: http://127.0.0.1:9/v1, model: m}, label: true}\n"
    root = built(tmp_path, [*GOOD, {"text": "nobody has read this"}], TASK + generate)
    assert shown(root, None, 20).startswith("8 rows read, 6 accepted, 1 rejected, 1 for a teacher to answer")


def test_a_reason_is_given_once(tmp_path: Path) -> None:
    task = TASK.replace("classification", "extraction").replace(
        "{type: label, schema: {enum: [a, b]}}", "{type: json, schema: {people: {type: string}, time: {type: string}}}"
    )
    rows = [{"text": f"number {n}", "output": {"people": str(n), "time": "8"}} for n in range(6)]
    told = shown(built(tmp_path, [*rows, {"text": "blank", "output": {}}], task), "contract", 20)
    assert told.count("the answer lacks people, time") == 1


def test_a_file_is_judged_by_the_task_of_its_folder(tmp_path: Path) -> None:
    root = built(tmp_path, GOOD)
    with chdir(root):
        Path("other.jsonl").write_text(json.dumps({"text": "x y", "label": "c"}) + "\n" + json.dumps(GOOD[0]) + "\n")
        found = examine(Path(), [Path("other.jsonl")])
    assert [(one["line"], one["gate"]) for one in found.rejected] == [(1, "contract")] and not found.clean
    assert "other.jsonl:1: rejected [contract]" in found.text()


def checked(root: Path, lines: list[dict[str, Any]]) -> list[str]:
    built(root, GOOD)
    (root / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with chdir(root):
        return examine(Path(), [Path("rows.jsonl")]).text().splitlines()


def test_rows_of_one_reason_are_one_line_with_their_count(tmp_path: Path) -> None:
    strange = [{"text": f"strange {n} of {n * n}", "label": "c" if n < 4 else "B "} for n in range(6)]
    lacks = "rejected [contract]: `c` is no label of the contract: mend it, or add it to output_format.schema.enum"
    near = "rejected [contract]: `B` is no label of the contract: did you mean `b`?"
    told = checked(tmp_path, [*GOOD, *GOOD[:2], *strange])
    assert told == [
        f"rows.jsonl:9: {lacks}; 3 more rows like it, in 10, 11, 12",
        f"rows.jsonl:13: {near}; 1 more row like it, in 14",
        "rows.jsonl:7: rejected [duplicates]: a duplicate (see rows.jsonl:1)",
        "rows.jsonl:8: rejected [duplicates]: a duplicate (see rows.jsonl:2)",
        "14 rows read, 6 accepted, 8 rejected",
    ]


def test_of_many_rows_of_one_reason_the_first_are_placed(tmp_path: Path) -> None:
    told = checked(tmp_path, [*GOOD * 2, *({"text": f"strange {n} of {n * n}"} for n in range(12))])
    assert told[0].endswith("; 11 more rows like it, in 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, …")
    assert told[1].endswith("a duplicate (see rows.jsonl:1); 5 more rows like it, in 8, 9, 10, 11, 12")
    assert "note: `--json` names every row" in told


def test_rows_of_another_file_are_placed_by_it(tmp_path: Path) -> None:
    built(tmp_path, GOOD)
    with chdir(tmp_path):
        for name in ("one.jsonl", "two.jsonl"):
            Path(name).write_text(json.dumps({"text": f"in {name}", "label": "c"}) + "\n")
        told = examine(Path(), [Path("one.jsonl"), Path("two.jsonl")]).text()
    assert "one.jsonl:1: rejected" in told and "; 1 more row like it, in two.jsonl:1\n" in told


def test_a_check_says_that_a_build_would_stop(tmp_path: Path) -> None:
    rows = [{"text": f"number {n} of {n * n}", "label": "other"} for n in range(3)]
    stop = "note: 3 rows break the contract, more than half: a build would stop here (T683)"
    assert checked(tmp_path, [*rows, *GOOD[:2]])[-2:] == ["5 rows read, 2 accepted, 3 rejected", stop]
    assert stop not in checked(tmp_path, [*rows, *GOOD[:3]])


def test_of_very_many_reasons_the_first_are_told(tmp_path: Path) -> None:
    told = checked(tmp_path, [*GOOD, *({"text": f"number {n}", "label": f"label {n}"} for n in range(120))])
    assert len(told) == 104 and told[100] == "… and 20 lines more"
    assert told[102] == "note: `--json` names every row"


def test_rows_that_a_teacher_is_to_answer_are_no_mistake(tmp_path: Path) -> None:
    root = built(tmp_path, GOOD)
    generate = "generate: {teacher: {endpoint: http://127.0.0.1:9/v1, model: m}, label: true}\n"
    (root / "task.yaml").write_text(TASK + generate, encoding="utf-8")
    for answered, told in (
        (GOOD, "8 rows read, 6 accepted, 0 rejected, 2"),
        ([], "2 rows read, 0 accepted, 0 rejected, 2"),
    ):
        lines = [*answered, {"text": "nobody has read this"}, {"text": "nor that one", "label": None}]
        (root / "inbox.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        with chdir(root):
            found = examine(Path(), [Path("inbox.jsonl")])
        assert found.clean and found.text().endswith(f"{told} for a teacher to answer")


def test_the_audit_log_shows_when_a_line_was_changed(tmp_path: Path) -> None:
    root = built(tmp_path, GOOD)
    built(root, GOOD[:4])
    log = root / audit.LOG
    assert len(log.read_text(encoding="utf-8").splitlines()) == 2 and not list(audit.broken(log))
    told = json.loads(log.read_text(encoding="utf-8").splitlines()[0])
    assert told["gates"]["near"] == "reject" and told["gates"]["semantic"] == "off"
    assert told["counts"] == {"read": 7, "accepted": 6, "rejected": 1, "unanswered": 0}
    assert told["decided"] == {"format": {"rejected": 1, "flagged": 0}}
    log.write_text(log.read_text(encoding="utf-8").replace('"accepted": 6', '"accepted": 5'), encoding="utf-8")
    assert list(audit.broken(log)) == [2]


@pytest.mark.parametrize(
    ("name", "before", "lines", "after"),
    [
        ("a.jsonl", b'{"a": 1}\r\n\n{"a": 2}', {1}, b'\n{"a": 2}'),
        ("a.csv", b'a;b\r\n"x\ny";1\r\nz;2\r\n', {3}, b"a;b\r\nz;2\r\n"),
        ("a.json", b'[{"a": 1},\n {"a": 2}]', {2}, b'[\n{"a": 1}\n]\n'),
    ],
)
def test_what_stays_in_a_file_keeps_its_bytes(
    tmp_path: Path, name: str, before: bytes, lines: set[int], after: bytes
) -> None:
    (tmp_path / name).write_bytes(before)
    without(tmp_path / name, lines)()
    assert (tmp_path / name).read_bytes() == after


def test_a_diagnostic_shows_lines_of_the_task_and_none_of_rows(tmp_path: Path) -> None:
    root = built(tmp_path, GOOD)
    assert Disk(root).line_of(Span("task.yaml", 1)) == "task_name: letters"
    assert Disk(root).line_of(Span("data/raw/rows.jsonl", 1)) is None
