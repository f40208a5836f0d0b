"""`tunec report`: the last build as a table, as Markdown for a pull request, and as JSON."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest

from stages.diagnostics import Diagnostic
from stages.history import remember
from stages.report import STAGE, Outputs
from stages.rows import read_json, write_json
from tests.face.test_cli import tunec
from tests.stages.made_up_build import made_up, params
from tunec.alone import ALONE
from tunec.dvc import EVENTS
from tunec.table import PAGE, REPORT, TOLD


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a build has ended."""
    folder = tmp_path_factory.mktemp("reported")
    (folder / REPORT).parent.mkdir(parents=True)
    STAGE.run(made_up(folder / "made"), params(), Outputs(folder / PAGE, folder / REPORT))
    return folder


def printed(folder: Path, *arguments: str) -> str:
    done = tunec(folder, "report", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_json_is_the_report_as_it_stands(reported: Path) -> None:
    assert json.loads(printed(reported, "--format", "json")) == read_json(reported / REPORT)
    assert printed(reported, "--json") == printed(reported, "--format", "json")


@pytest.mark.parametrize("format", ["text", "md", "json"])
@pytest.mark.parametrize("damage", ['{"a": 1}', "", '{"verdict": "sh', "[]", "null"])
def test_a_damaged_report_is_named_and_how_it_comes_back(damage: str, format: str, tmp_path: Path) -> None:
    (tmp_path / REPORT).parent.mkdir(parents=True)
    (tmp_path / REPORT).write_text(damage, encoding="utf-8")
    done = tunec(tmp_path, "report", "--format", format)
    assert done.returncode == 1 and "error[T861]" in done.stderr
    assert str(REPORT) in done.stderr and "`tunec build`" in done.stderr


def test_every_report_holds_what_is_looked_for(reported: Path) -> None:
    assert set(TOLD) <= set(read_json(reported / REPORT))


def test_markdown_has_verdict_gates_systems_and_what_goes_wrong(reported: Path) -> None:
    text = printed(reported, "--format", "md")
    assert text.startswith("## booking-slots: Ship\n")
    assert "Next: build/package/ holds these very bytes" in text and "**Fine-tuning is worth it.**" in text
    for gate in ("beats\\_baselines", "schema\\_validity", "threshold"):
        assert f"| {gate} | ✓ |" in text
    assert "| **smollm2-135m-r16-q5\\_k\\_m** | 0.828 (0.817 to 0.839) |" in text
    assert "Hostile inputs: 42 of 45 have an answer that fits the contract (83.0% to 98.0%)" in text
    assert "Adversarial rows: 3 of 20 got a wrong answer." in text
    assert "| wrong value, time, evening at | 40 | data | Add rows. |" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)


def test_markdown_escapes_what_a_task_or_a_model_says(reported: Path, tmp_path: Path) -> None:
    hostile = "a | b `c` <img src=x> [d](http://e) *f* \x1b[31m\u202e"

    def spoilt(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: spoilt(inner) if key in ("clusters", "gates") else inner for key, inner in value.items()}
        if isinstance(value, list):
            return [{**item, **({"what": hostile} if "what" in item else {"reason": hostile})} for item in value]
        return value

    (tmp_path / REPORT).parent.mkdir(parents=True)
    write_json(tmp_path / REPORT, {**spoilt(read_json(reported / REPORT)), "task_name": hostile})
    text = printed(tmp_path, "--format", "md")
    bare = text.replace("\\<", "").replace("\\[", "").replace("\\]", "")
    assert "<" not in bare and "[" not in bare and "\x1b" not in text and "\u202e" not in text
    assert {line.count("|") - line.count("\\|") for line in text.splitlines() if "img" in line and line[0] == "|"} == {
        5,
        6,
    }


def test_the_table_ends_with_the_verdict_and_the_page(reported: Path) -> None:
    text = printed(reported)
    assert text.splitlines()[-1].split() == ["SHIP", str(PAGE)] and "✓ threshold" in text


def test_the_table_tells_of_attacks_by_counts_unless_a_gate_does(reported: Path, tmp_path: Path) -> None:
    lines = printed(reported).splitlines()
    assert "· adversarial: 3 of 20 rows got a wrong answer" in lines
    followed = "· attack_success: of hostile inputs, 3 of 24 got the answer that they demand (1.0% to 16.0%)"
    assert followed in lines and sum("hostile inputs" in line for line in lines) == 3
    report = read_json(reported / REPORT)
    gate = {"gate": "attack_success", "status": "fail", "reason": "too many"}
    (tmp_path / REPORT).parent.mkdir(parents=True)
    write_json(tmp_path / REPORT, {**report, "gates": [*report["gates"], gate]})
    lines = printed(tmp_path).splitlines()
    assert "✗ attack_success: too many" in lines and followed not in lines
    unasked = {key: value for key, value in report.items() if key not in ("attacks", "beside", "beside_wrong")}
    write_json(tmp_path / REPORT, unasked)
    assert "·" not in printed(tmp_path), "nothing is said of what was not asked"


def test_another_format_and_a_folder_without_a_build_are_refused(reported: Path, tmp_path: Path) -> None:
    done = tunec(reported, "report", "--format", "pdf")
    assert done.returncode == 1 and "text, md or json" in done.stdout + done.stderr
    done = tunec(tmp_path, "report", "--format", "md")
    assert done.returncode == 1 and "T407" in done.stdout + done.stderr


REFUSED = Diagnostic("T344", "the loss is no number any more", help="lower it").plain()


def told(folder: Path, *events: tuple[str, str]) -> Path:
    """What the stages of a later build told; a refusal says why."""
    lines = [
        {"stage": stage, "pid": 1, "event": event} | ({"diagnostics": [REFUSED]} if event == "refused" else {})
        for stage, event in events
    ]
    (folder / EVENTS).parent.mkdir(parents=True, exist_ok=True)
    (folder / EVENTS).write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"stage', encoding="utf-8")
    return folder


def test_a_later_build_that_stopped_is_told_with_its_stage_and_the_table_of_the_one_before(reported: Path) -> None:
    told(reported, ("data", "start"), ("data", "ended"), ("train", "start"), ("train", "refused"))
    done = tunec(reported, "report")
    assert "SHIP" in done.stdout and done.returncode == 0
    assert "warning[T682]: the last build stopped at train; this is the build before it" in done.stderr
    assert "note: train: the loss is no number any more (T344)" in done.stderr
    assert "help: mend that, then run `tunec build`" in done.stderr
    done = tunec(told(reported, ("data", "start")), "report", "--json")
    assert json.loads(done.stdout)["verdict"] == "ship" and "stopped at data" in done.stderr
    assert "note:" not in done.stderr, "who was killed said nothing"


def test_a_line_that_is_torn_within_a_letter_hides_no_other(reported: Path) -> None:
    """A message may hold what Python, and no JSON, takes for the end of a line."""
    refused = {"stage": "train", "event": "refused", "diagnostics": [REFUSED | {"message": "a\u2028b"}]}
    line = json.dumps(refused, ensure_ascii=False)
    (told(reported) / EVENTS).write_bytes(f'{line}\n{{"note": "é'.encode()[:-1])
    assert "the last build stopped at train" in (said := tunec(reported, "report").stderr) and "(T344)" in said


def test_a_build_that_ended_or_was_ended_by_dvc_itself_is_not_told(reported: Path) -> None:
    told(reported, ("data", "start"), ("data", "warned"), ("data", "ended"))
    assert tunec(reported, "report").stderr == ""
    told(reported, ("train", "start"), ("train", "refused"))
    os.utime(reported / EVENTS, (1, 1))
    remember(reported, "train", 2.0, [], None)
    assert tunec(reported, "report").stderr == "", "a bare `dvc repro` went on"


def test_a_build_that_is_on_its_way_is_told_as_that(reported: Path) -> None:
    told(reported, ("data", "start"))
    with (reported / ALONE).open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "a build is on its way, at data; this is the build before it" in tunec(reported, "report").stderr


def test_where_the_one_build_stopped_the_stage_is_named(tmp_path: Path) -> None:
    done = tunec(told(tmp_path, ("splits", "start"), ("splits", "refused")), "report")
    assert done.returncode == 1
    assert "error[T407]: no build has come to its end here: the last one stopped at splits" in done.stderr
    assert "splits: the loss is no number any more (T344)" in done.stderr
