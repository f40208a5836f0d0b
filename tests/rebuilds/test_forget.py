"""`tunec data forget`: neither the sources, the next build nor the cleaned cache hold what is to be forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages import audit
from stages.augmenting import TRANSCRIPT
from stages.diagnostics import UserError
from stages.journal import Journal
from tests.once import once
from tests.rebuilds.conftest import Workspace
from tunec.forgetting import forget

pytestmark = pytest.mark.slow
SECRET, CHILD = "Mrs Ypsilanti wants a table at noon", "Ypsilanti, the same in other words"
ROWS = "data/raw/rows.jsonl"


def files(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file())


def holding(text: str, *folders: Path) -> list[Path]:
    return [path for path in files(*folders) if text.encode() in path.read_bytes()]


@pytest.fixture(scope="session")
def made_personal(built: Workspace, for_all_workers: Path) -> Workspace:
    shared = once(for_all_workers, "personal", lambda to: make_personal(built.copy(to)))
    return Workspace(shared / "w", shared / "house")


@pytest.fixture
def personal(made_personal: Workspace, tmp_path: Path) -> Workspace:
    """A build that holds a person's row, and one that was made from it."""
    return made_personal.copy(tmp_path)


def make_personal(workspace: Workspace) -> None:
    with (workspace.root / ROWS).open("a", encoding="utf-8") as rows:
        for id, text, more in (("p1", SECRET, {"customer": 7}), ("p2", CHILD, {"parent": "p1"})):
            rows.write(json.dumps({"id": id, "text": text, "output": {"time": "noon"}, **more}) + "\n")
    workspace.compile()
    assert "data" in workspace.repro()
    assert holding("Ypsilanti", workspace.root / "build", workspace.root / ".dvc" / "cache")


def test_a_persons_rows_and_what_was_made_of_them_are_gone(personal: Workspace) -> None:
    before = (personal.root / ROWS).read_text(encoding="utf-8").splitlines()
    found = forget(personal.root, "customer=7", dry_run=False)
    assert found.rows == 2 and (personal.root / ROWS).read_text(encoding="utf-8").splitlines() == before[:-2]
    cache = personal.root / ".dvc" / "cache"
    assert not holding("Ypsilanti", personal.root / "build", personal.root / "data", cache)
    assert list(files(cache / "files")), "what does not come from data stays"
    personal.compile()
    assert "data" in personal.repro()
    assert not holding("Ypsilanti", personal.root / "build", personal.root / "data", cache)
    log = personal.root / audit.LOG
    told = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [line for line in told if "forgotten" in line["counts"]] and not list(audit.broken(log))


def test_what_a_teacher_said_of_the_rows_goes_as_well(personal: Workspace) -> None:
    accepted = (personal.root / "build/data/accepted.jsonl").read_text(encoding="utf-8").splitlines()
    rows = {row["input"]["text"]: row["id"] for row in map(json.loads, accepted)}
    transcript = Journal(personal.root / TRANSCRIPT)
    for number, (text, id) in enumerate(sorted(rows.items())):
        transcript.add(f"{number:064x}", {"row": id, "text": f"like {text}"})
    assert "2 answers" in forget(personal.root, "customer=7", dry_run=True).text(done=False)
    assert len(Journal(transcript.path).known) == len(rows)
    forget(personal.root, "customer=7", dry_run=False)
    kept = Journal(transcript.path).known
    assert len(kept) == len(rows) - 2 and not holding("Ypsilanti", personal.root / "build")


def test_a_dry_run_removes_nothing(personal: Workspace) -> None:
    found = forget(personal.root, "customer=7", dry_run=True)
    assert found.rows == 2 and found.objects and "build/train-tiny-r16" in found.outputs
    assert holding("Ypsilanti", personal.root / "data") and holding("Ypsilanti", personal.root / "build")
    assert "Ypsilanti" not in found.text(done=False) + json.dumps(found.json())


@pytest.mark.parametrize(("where", "code"), [("customer", "T615"), ("customer=8", "T616"), ("=7", "T615")])
def test_what_cannot_be_forgotten_is_said(personal: Workspace, where: str, code: str) -> None:
    with pytest.raises(UserError) as refused:
        forget(personal.root, where, dry_run=False)
    assert [found.code for found in refused.value.diagnostics] == [code]


@pytest.mark.parametrize(
    ("where", "said", "help"),
    [
        ("customer=8", "no row of the sources has that value in `customer`", "spelled"),
        ("custmer=7", "no source has a column `custmer`", "did you mean `customer`?"),
    ],
)
def test_where_nobody_is_found_the_columns_are_listed(personal: Workspace, where: str, said: str, help: str) -> None:
    with pytest.raises(UserError) as refused:
        forget(personal.root, where, dry_run=True)
    (found,) = refused.value.diagnostics
    assert found.message == said and help in str(found.help)
    assert found.notes[0].startswith("columns of the sources: ") and "customer" in found.notes[0]


def test_a_file_that_cannot_be_written_anew_is_named_and_nothing_else_is_touched(personal: Workspace) -> None:
    import gzip

    packed = personal.root / "data/raw/more/b.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps({"utterance": "x", "slots": {}, "customer": 7}).encode()))
    personal.edit("data/raw/more/*.csv", "data/raw/more/*")
    with pytest.raises(UserError) as refused:
        forget(personal.root, "customer=7", dry_run=False)
    assert refused.value.diagnostics[0].code == "T617" and holding("Ypsilanti", personal.root / "data")
