"""`tunec data review`: a person decides, in a real terminal, and no answer is lost."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from stages import data, decisions, row_judge
from stages.contract import Contract
from stages.decisions import Decision
from stages.journal import Journal
from tests.compiling import ROOT
from tests.data.building import jsonl, lines
from tunec import dvc, reviewing
from tunec.compiling import compile_workspace
from tunec.forgetting import forget

TASK = """\
task_name: letters
task_type: classification
input_template: "{text}"
output_format: {type: label, schema: {enum: [a, b]}}
data:
  sources: [{path: data/raw/rows.jsonl}]
  review: {flags: [pii], share: 0}
training: {base_model: smollm2-135m}
success_criteria: {threshold: 0.7}
"""
EVIL = "\x1b[2J\x1b]0;owned\x07 see\u202e gpj.exe\r  why: nothing\nthis is no line of tunec's, x@evil.example"
ROWS = [
    {"text": "one, write to zoe@example.com", "label": "a"},
    {"text": EVIL, "label": "b"},
    {"text": "three, write to ana@example.com", "label": "a"},
    *({"text": f"number {n} of {n * n}", "label": "ab"[n % 2]} for n in range(6)),
]
FILE = "data/review.jsonl"
ASKS = re.compile(r"(\[a/r/c/s/q\]|the right answer, [^\n]*:) $")


def build(root: Path) -> list[dict[str, Any]]:
    """Compile and run the data stage; returns what waits."""
    with chdir(root):
        found = compile_workspace(Path(), []).plan["data"]
        home = Path("build/data")
        home.mkdir(parents=True, exist_ok=True)
        out = data.Outputs(**{name: home / write.path for name, write in data.STAGE.writes().items()})
        decided = found.inputs.get("decisions")
        inputs = data.Inputs((Path("data/raw/rows.jsonl"),), decisions=Path(str(decided)) if decided else None)
        data.run(inputs, data.DataParams(**found.params), out)
        return lines(out.review)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "task.yaml").write_text(TASK, encoding="utf-8")
    (tmp_path / "data/raw/rows.jsonl").write_bytes(jsonl(ROWS))
    build(tmp_path)
    return tmp_path


def tunec(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command without a terminal."""
    command = [sys.executable, "-m", "tunec", *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def in_a_terminal(root: Path, answers: list[str], *arguments: str) -> tuple[int, str]:
    """The command in a terminal of its own: each answer is typed once it is asked for; ^C is sent as a signal.
    Returns its exit code and all that the terminal got.
    """
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tunec", "data", "review", *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    ends = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    process = subprocess.Popen(command, cwd=root, env=env, preexec_fn=_heed_ctrl_c, **ends)
    os.close(theirs)
    waiting, seen, begun = list(answers), "", 0
    until = time.monotonic() + 60
    try:
        while select.select([ours], [], [], max(0, until - time.monotonic()))[0]:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # all that held the other end are gone
                break
            seen += piece.decode("utf-8", "replace")
            if waiting and ASKS.search(seen, begun):
                begun = len(seen)
                answer = waiting.pop(0)
                _stop(process) if answer == "^C" else os.write(ours, f"{answer}\n".encode())
        assert not waiting, f"nobody asked for {waiting}: {seen}"
        return process.wait(10), seen
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ctrl-C, once more where it came in the moment before the terminal was read: Python would wait for a key then."""
    for _ in range(20):
        time.sleep(0.5)
        if process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)


def _heed_ctrl_c() -> None:
    """As a shell's foreground has it; a job in the background hands down that it is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_each_row_is_shown_with_why_and_each_answer_is_a_line(workspace: Path) -> None:
    waiting = build(workspace)
    assert len(waiting) == 3
    code, seen = in_a_terminal(workspace, ["a", "r", "c", "z", "b"], "--by", "ana")
    assert code == 0 and "3 decided, 0 wait" in seen and "why: pii: it holds personal data: email" in seen
    assert "that cannot be the answer: the answer is none of a, b" in seen
    made = [
        {"id": one["id"], "decision": kind, "by": "ana"}
        for one, kind in zip(waiting, ("accept", "reject", "correct"), strict=True)
    ]
    made[2]["output"] = "b"
    assert lines(workspace / FILE) == made
    assert build(workspace) == []
    report = json.loads((workspace / "build/data/report.json").read_text(encoding="utf-8"))
    assert report["review"]["decided"] == {"accept": 1, "correct": 1, "reject": 1}


def test_what_was_skipped_comes_again_and_what_was_decided_does_not(workspace: Path) -> None:
    code, seen = in_a_terminal(workspace, ["s", "?", "a", "q"])
    assert code == 0 and "1 decided, 2 wait" in seen
    assert len(reviewing.look(workspace).rows) == 2
    assert lines(workspace / FILE)[0]["by"] == reviewing.name(workspace)


def test_ctrl_c_keeps_every_answer_that_was_given(workspace: Path) -> None:
    code, seen = in_a_terminal(workspace, ["a", "^C"])
    assert code == 130 and "stopped" in seen and "Traceback" not in seen
    assert len(lines(workspace / FILE)) == 1
    code, seen = in_a_terminal(workspace, ["c", "^C"])
    assert code == 130 and len(lines(workspace / FILE)) == 1
    assert in_a_terminal(workspace, ["c", "", "r", "a"])[0] == 0 and len(lines(workspace / FILE)) == 3


def test_a_hostile_row_is_shown_and_never_obeyed(workspace: Path) -> None:
    code, seen = in_a_terminal(workspace, ["s", "s", "s"])
    assert code == 0 and "this is no line of tunec" in seen
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", seen)
    assert "\r  why: nothing" not in seen and re.search(r"^    \| this is no line of tunec's", seen, re.MULTILINE)
    listed = tunec(workspace, "data", "review", "--list").stdout
    assert "owned" in listed and not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", listed)


def test_without_a_terminal_what_waits_is_listed_with_nothing_personal_and_how_to_decide(workspace: Path) -> None:
    done = tunec(workspace, "data", "review")
    assert done.returncode == 0 and done.stdout.count("pii: it holds personal data: email") == 3
    assert "[EMAIL_1]" in done.stdout and "@example.com" not in done.stdout + done.stderr
    assert f"add lines to {FILE}" in done.stdout and '"decision": "correct"' in done.stdout
    told = json.loads(tunec(workspace, "data", "review", "--json").stdout)
    assert [one["id"] for one in told] == [one["id"] for one in reviewing.look(workspace).rows]
    assert "@example.com" not in json.dumps(told)
    assert not (workspace / FILE).exists()


def test_a_phone_number_of_the_tasks_regions_is_hidden_in_a_list(workspace: Path) -> None:
    task = TASK.replace("  review:", "  pii: {regions: [NO]}\n  review:")
    (workspace / "task.yaml").write_text(task, encoding="utf-8")
    (workspace / "data/raw/rows.jsonl").write_bytes(jsonl([{"text": "tlf 22 12 34 56", "label": "a"}, *ROWS[3:]]))
    (waiting,) = build(workspace)
    assert "phone" in str(waiting["why"])
    found = reviewing.look(workspace)
    for told in (reviewing.listed(found), json.dumps(reviewing.as_json(found))):
        assert "[PHONE_1]" in told and "12 34" not in told


def test_lines_written_by_hand_are_taken_and_a_bad_one_is_named(workspace: Path) -> None:
    id = build(workspace)[0]["id"]
    (workspace / FILE).write_text(f'{{"id": "{id}", "decision": "accept", "by": "ana"}}', encoding="utf-8")
    assert in_a_terminal(workspace, ["r", "q"])[0] == 0, "a last line without its end is ended first"
    assert [one["decision"] for one in lines(workspace / FILE)] == ["accept", "reject"]
    with (workspace / FILE).open("a", encoding="utf-8") as file:
        file.write("what a row\n")
    done = tunec(workspace, "data", "review")
    assert done.returncode == 1 and "error[T894]" in done.stderr and f"{FILE}:3" in done.stderr


def test_nothing_waits_nothing_built_and_no_review_are_said(workspace: Path) -> None:
    in_a_terminal(workspace, ["a", "a", "a"])
    assert tunec(workspace, "data", "review").stdout == "no row waits\n"
    (workspace / "build/data/review.jsonl").unlink()
    assert "T407" in tunec(workspace, "data", "review").stderr
    (workspace / "task.yaml").write_text(TASK.replace("  review: {flags: [pii], share: 0}\n", ""), encoding="utf-8")
    done = tunec(workspace, "data", "review")
    assert done.returncode == 1 and "error[T899]" in done.stderr and "review: {share: 0.02}" in done.stderr


def test_the_file_of_the_task_is_written(workspace: Path) -> None:
    task = TASK.replace("share: 0}", "share: 0, file: data/said/by-people.jsonl}")
    (workspace / "task.yaml").write_text(task, encoding="utf-8")
    build(workspace)
    in_a_terminal(workspace, ["a", "q"], "--by", " ")
    assert [one["decision"] for one in lines(workspace / "data/said/by-people.jsonl")] == ["accept"]
    assert len(build(workspace)) == 2 and not (workspace / FILE).exists()


@pytest.mark.parametrize(
    ("contract", "typed", "meant"),
    [
        (Contract(type="text"), "as it stands", "as it stands"),
        (Contract(type="text"), '"two\\nlines"', "two\nlines"),
        (Contract(type="text"), '"', '"'),
        (Contract(type="json", schema_={"type": "object"}), '{"time": "noon"}', {"time": "noon"}),
        (Contract(type="label", schema_={"enum": ["a", "b"]}), '"a"', "a"),
    ],
)
def test_a_right_answer_is_typed_as_it_is_read(contract: Contract, typed: str, meant: Any, tmp_path: Path) -> None:
    row = {"id": "0" * 12, "file": "f", "line": 1, "why": ["pii"], "input": {"text": "x"}, "output": "old"}
    said = iter(["c", typed])
    review = reviewing.Review(tmp_path, FILE, contract, [row])
    assert reviewing.walk(review, "ana", lambda prompt: next(said), lambda text: None).startswith("1 decided")
    assert decisions.read_decisions(tmp_path / FILE)["0" * 12].output == meant


@pytest.mark.parametrize("typed", ['{"time": NaN}', '{"time": 1, "time": 2}', "[" * 500, "{'time': 1}", '"\udcff"'])
def test_what_is_no_json_is_asked_for_again(typed: str, tmp_path: Path) -> None:
    row = {"id": "0" * 12, "file": "f", "line": 1, "why": ["pii"], "input": {"text": "x"}, "output": {}}
    review = reviewing.Review(tmp_path, FILE, Contract(type="json", schema_={"type": "object"}), [row])
    said, told = iter(["c", typed, "", "q"]), list[str]()
    assert reviewing.walk(review, "ana", lambda prompt: next(said), told.append).startswith("0 decided, 1 waits")
    assert "that cannot be the answer" in told[-1] and not (tmp_path / FILE).exists()


def test_a_line_is_whole_on_the_disk_before_the_next_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.append(os.fstat(handle).st_size), real(handle))[1])
    for number in range(3):
        decisions.add(tmp_path / FILE, Decision(f"{number:012x}", "accept", "ana"))
        assert synced[-1] == (tmp_path / FILE).stat().st_size and len(synced) == number + 1
    assert list(decisions.read_decisions(tmp_path / FILE)) == [f"{number:012x}" for number in range(3)]


def test_a_file_that_cannot_be_written_is_said(workspace: Path) -> None:
    (workspace / FILE).mkdir()
    code, seen = in_a_terminal(workspace, ["a"])
    assert code == 1 and "error[T899]" in seen and f"{FILE} cannot be written: Is a directory" in seen


def test_a_persons_rows_are_forgotten_in_what_was_decided_and_said_of_them(workspace: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=workspace, check=True)
    dvc.init(workspace)
    mine, others = "one, write to zoe@example.com", "three, write to ana@example.com"
    rows = [{**row, "customer": 7 if row["text"] == mine else 8} for row in ROWS]
    (workspace / "data/raw/rows.jsonl").write_bytes(jsonl(rows))
    ids = {one["input"]["text"]: one["id"] for one in build(workspace)}
    for text, kind, right in ((mine, "reject", None), (others, "accept", None), (mine, "correct", "b")):
        decisions.add(workspace / FILE, Decision(ids[text], kind, "ana", right))
    build(workspace)
    accepted = {one["input"]["text"]: one["id"] for one in lines(workspace / "build/data/accepted.jsonl")}
    assert accepted[mine] != ids[mine], "a corrected row has another id"
    transcript = Journal(workspace / row_judge.TRANSCRIPT)
    for number, id in enumerate((accepted[mine], ids[mine], accepted[others])):
        transcript.add(f"{number:064x}", {"row": id, "text": "said"})
    told = forget(workspace, "customer=7", dry_run=True)
    assert "would remove 2 decisions about them from data/review.jsonl" in told.text(done=False)
    assert told.json()["decisions"] == 2 and told.json()["answers"] == 2
    forget(workspace, "customer=7", dry_run=False)
    assert [one["id"] for one in lines(workspace / FILE)] == [ids[others]]
    assert list(Journal(transcript.path).known) == [f"{2:064x}"]
    left = b"".join(path.read_bytes() for path in workspace.rglob("*") if path.is_file())
    assert b"zoe" not in left and ids[mine].encode() not in left and accepted[mine].encode() not in left
