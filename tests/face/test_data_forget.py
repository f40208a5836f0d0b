"""`tunec data forget`: what only the columns of `map`, an earlier build or a file of general rows know of a person."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages import decisions
from stages.decisions import Decision
from stages.diagnostics import UserError
from stages.journal import Journal
from stages.rows import row_id
from tests.data.building import jsonl, lines
from tunec import dvc, dvc_store
from tunec.forgetting import forget

TASK = """\
task_name: letters
task_type: classification
input_template: "{text}"
output_format: {type: label, schema: {enum: [a, b]}}
data:
  sources: [{path: data/raw/rows.jsonl}]
training: {base_model: smollm2-135m}
success_criteria: {threshold: 0.7}
"""
ROWS = "data/raw/rows.jsonl"
MINE = {"text": "zoe wants a table", "label": "a", "customer": 7}
STAYS = [{"text": f"number {n} of {n * n}", "label": "ab"[n % 2], "customer": 8} for n in range(4)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "task.yaml").write_text(TASK, encoding="utf-8")
    (tmp_path / ROWS).write_bytes(jsonl([MINE, *STAYS]))
    dvc.init(tmp_path)
    return tmp_path


def edit(root: Path, before: str, after: str) -> None:
    text = (root / "task.yaml").read_text(encoding="utf-8")
    assert text.count(before) == 1
    (root / "task.yaml").write_text(text.replace(before, after), encoding="utf-8")


def write(root: Path, file: str, text: str) -> Path:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def id_of(row: dict[str, Any], *fields: str) -> str:
    return row_id({name: row[name] for name in fields or ("text",)}, row["label"])


@pytest.mark.parametrize("names", ["{parent: origin}", "{id: key}", "{id: key, parent: origin}"])
def test_what_was_made_of_a_row_goes_with_it_where_map_names_its_columns(root: Path, names: str) -> None:
    edit(root, "rows.jsonl}", f"rows.jsonl, map: {names}}}")
    own, of = ("key" if "key" in names else "id"), ("origin" if "origin" in names else "parent")
    child = {"text": "she asks for noon", "label": "a", own: "c1", of: "p1"}
    grandchild = {"text": "at twelve", "label": "b", own: 2, of: "c1"}
    (root / ROWS).write_bytes(jsonl([grandchild, child, {**MINE, own: "p1"}, *STAYS]))
    assert forget(root, "customer=7", dry_run=False).rows == 3
    assert lines(root / ROWS) == STAYS


def test_a_child_that_names_its_parents_id_by_a_mapped_column_goes(root: Path) -> None:
    edit(root, "rows.jsonl}", "rows.jsonl, map: {parent: origin}}")
    (root / ROWS).write_bytes(jsonl([MINE, {"text": "noon", "label": "a", "origin": id_of(MINE)}, *STAYS]))
    forget(root, "customer=7", dry_run=False)
    assert lines(root / ROWS) == STAYS


def test_what_was_said_of_rows_under_earlier_ids_goes(root: Path) -> None:
    """Under a template with another field, and before personal data were redacted."""
    private = {"text": "write to ana@example.com", "label": "a", "customer": 8}
    (root / ROWS).write_bytes(jsonl([MINE, *STAYS, private]))
    edit(root, "rows.jsonl}]", "rows.jsonl}]\n  gates: {pii: redact}")
    stays, kept = id_of(STAYS[0]), id_of({**private, "text": "write to [EMAIL_1]"})
    said = {
        "mine": {"row": id_of(MINE)},
        "mine under an earlier template": {"row": id_of(MINE, "text", "customer")},
        "mine is shown, under that id": {"row": stays, "shown": [id_of(MINE, "text", "customer")]},
        "a row that stays": {"row": stays},
        "one that shows others": {"row": stays, "shown": [id_of(STAYS[1]), kept]},
        "one as it was before redaction": {"row": id_of(private)},
    }
    journals = [Journal(root / f"build/transcripts/{name}.jsonl") for name in ("augment", "data", "prefer")]
    for journal in journals:
        for text, about in said.items():
            journal.add(hashlib.sha256(text.encode()).hexdigest(), {**about, "text": text})
        with journal.path.open("a", encoding="utf-8") as cut:
            cut.write('{"key": "0", "row": "zoe wa')
    assert forget(root, "customer=7", dry_run=True).json()["answers"] == 9
    forget(root, "customer=7", dry_run=False)
    for journal in journals:
        assert [told["text"] for told in lines(journal.path)] == list(said)[3:]


def test_a_transcript_that_was_cut_off_keeps_nothing_of_the_line(root: Path) -> None:
    path = write(root, "build/transcripts/augment.jsonl", '{"key": "0", "row": "zoe wa')
    forget(root, "customer=7", dry_run=False)
    assert not path.read_bytes()


def test_what_stages_made_that_the_task_has_no_more_goes(root: Path) -> None:
    gone = ("augment", "partial", "train-gone-r16", ".checkpoints", ".tmp", "export-openai", "data", "splits")
    stays = ("audit", "guard", "logs", "transcripts", "model-smollm2-135m", "brought")
    for name in (*gone, *stays):
        write(root, f"build/{name}/rows.jsonl", "")
    write(root, "build/brought/more.jsonl", jsonl(STAYS[:1]).decode())
    edit(root, "rows.jsonl}]", "rows.jsonl}, {path: build/brought/more.jsonl}]")
    assert set(forget(root, "customer=7", dry_run=True).outputs) == {f"build/{name}" for name in gone}
    forget(root, "customer=7", dry_run=False)
    assert {path.name for path in (root / "build").iterdir()} == set(stays)


def test_the_cache_loses_what_a_stage_made_that_the_task_has_no_more(root: Path) -> None:
    objects, stages = dict[str, Path](), dict[str, Any]()
    for name, reads in (("splits", "build/data/accepted.jsonl"), ("augment", "build/splits/a"), ("model-x", "base")):
        text = f"what {name} made"
        md5 = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        objects[name] = write(root, str(dvc_store.cache(root) / "files/md5" / md5[:2] / md5[2:]), text)
        stages[name] = {"cmd": "true", "deps": [{"path": reads}], "outs": [{"path": f"build/{name}/a", "md5": md5}]}
    write(root, "dvc.lock", yaml.safe_dump({"schema": "2.0", "stages": stages}))
    write(root, "dvc.yaml", yaml.safe_dump({"stages": {name: {"cmd": "true"} for name in stages}}))
    forget(root, "customer=7", dry_run=False)
    assert [name for name, path in objects.items() if path.exists()] == ["model-x"]


def test_general_rows_of_a_person_go(root: Path) -> None:
    talk = [{"prompt": f"Why {n}?", "completion": f"For {n}.", "customer": n} for n in (7, 8)]
    child = {"prompt": "So?", "completion": "So.", "parent": "t7"}
    file = write(root, "data/general/talk.jsonl", jsonl([{**talk[0], "id": "t7"}, talk[1], child]).decode())
    edit(root, "rows.jsonl}]", "rows.jsonl}]\n  general_mix: {path: data/general/*.jsonl}")
    found = forget(root, "customer=7", dry_run=False)
    assert found.lines == {ROWS: {1}, "data/general/talk.jsonl": {1, 3}}
    assert lines(file) == talk[1:] and lines(root / ROWS) == STAYS


def test_decisions_that_the_task_does_not_read_are_named_and_left(root: Path) -> None:
    usual = root / "data/review.jsonl"
    decisions.add(usual, Decision(id_of(STAYS[0]), "accept", "ana"))
    assert not forget(root, "customer=7", dry_run=True).unread
    decisions.add(usual, Decision(id_of(MINE), "correct", "ana", "b"))
    before = usual.read_bytes()
    found = forget(root, "customer=7", dry_run=False)
    assert "data/review.jsonl names them, and the task does not read it" in found.text(done=True)
    assert found.json()["unread_decisions"] == ["data/review.jsonl"] and usual.read_bytes() == before


def test_a_line_that_nobody_can_read_and_that_holds_the_value_is_named(root: Path) -> None:
    with (root / ROWS).open("a", encoding="utf-8") as rows:
        rows.write('{"text": "broken" "customer": "c777"}\n{"broken": "of c778"\n')
    write(root, ROWS, (root / ROWS).read_text(encoding="utf-8").replace('"customer": 7}', '"customer": "c777"}'))
    found = forget(root, "customer=c777", dry_run=True)
    assert found.unreadable == [f"{ROWS}:{len(STAYS) + 2}"] == found.json()["unreadable"]
    assert f"{ROWS}:{len(STAYS) + 2} cannot be read, and holds the value: take the line out" in found.text(done=True)
    with pytest.raises(UserError) as refused:
        forget(root, "customer=c778", dry_run=True)
    assert refused.value.diagnostics[0].notes[1:] == (f"{ROWS}:{len(STAYS) + 3} cannot be read, and holds the value",)
