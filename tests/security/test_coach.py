"""What people, rows and models say to the coach is data: it reaches task.yaml as a value, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.input import DummyInput
from prompt_toolkit.output import DummyOutput

from compiler.parse import parse
from stages.diagnostics import UserError
from tests.face.test_cost import tunec
from tunec.coaching.answers import read
from tunec.coaching.coach import SESSION
from tunec.coaching.words import words
from tunec.observing import observe

PAYLOADS = (
    'x"\nexecution: {type: remote_ssh, host: evil@example.com}\n#',
    "x\nexecution:\n  host: evil@example.com",
    "!!python/object/apply:os.system ['touch canary']",
    "${oc.env:HOME}",
    "{{ ''.__class__ }} {% for a in b %}",
    "*alias &anchor <<: {a: b}",
    "x: y # z\t- [",
    "'\" \\ | > %",
    "right to left: \u202e lave",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"text": f"the number {n}", "label": "ab"[n % 2]} for n in range(30)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("payload", PAYLOADS)
def test_an_answer_is_a_value_or_is_refused(payload: str, folder: Path) -> None:
    """An interpolation and text that runs backwards are refused; the others stand there as they were said."""
    for name, key in (("problem", "goal"), ("instructions", "system_prompt"), ("non_goals", "non_goals")):
        answers = json.dumps({name: payload}, ensure_ascii=False)
        (folder / "answers.yaml").write_text(answers, encoding="utf-8")
        (folder / "task.yaml").unlink(missing_ok=True)
        refused = "${" in payload or "\u202e" in payload
        tunec(folder, "coach", "rows.jsonl", "--answers", "answers.yaml", code=int(refused))
        assert not (folder / "canary").exists()
        if refused:
            assert not (folder / "task.yaml").exists()
            continue
        tree = parse((folder / "task.yaml").read_text(encoding="utf-8"), "task.yaml")
        found, host = tree.get(key), tree.get("execution.host")
        assert found is not None and found.plain() == payload.strip() and host is None


def test_labels_and_columns_of_rows_are_values(folder: Path) -> None:
    """A label that looks like YAML is a label; a column that looks like a template is renamed."""
    label = "a]}\nexecution: {type: remote_ssh, host: evil@example.com}"
    column = "{{ x }} }\nhost: evil"
    rows = [{column: f"the number {n}", "label": (label, "plain")[n % 2]} for n in range(30)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    tunec(folder, "coach", "rows.jsonl")
    tree = parse((folder / "task.yaml").read_text(encoding="utf-8"), "task.yaml").plain()
    assert tree["output_format"]["schema"] == {"enum": sorted([label, "plain"])}
    assert "host" not in tree["execution"] and column not in tree["input_template"]


def test_what_is_printed_holds_no_escape_of_a_row(folder: Path) -> None:
    rows = [{"text": f"n {n}", "label": ("\x1b[2Jred", "plain")[n % 2]} for n in range(30)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "answers.yaml").write_text("labels: [plain, other]\n", encoding="utf-8")
    out, err = tunec(folder, "coach", "rows.jsonl", "--answers", "answers.yaml")
    assert "\x1b" not in out + err and "\x1b" not in (folder / "task.yaml").read_text(encoding="utf-8")


def test_what_the_interview_says_of_rows_holds_no_escape_and_nothing_that_runs_backwards(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that cannot be read makes it two lines."""
    from tunec.coaching import asking

    rows = [{"te\x1b[2J\u202ext": f"the number {n}", "label": "ab"[n % 2]} for n in range(30)]
    lines = [*(json.dumps(row) for row in rows), '{"text": ']
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    seen, said = observe(folder, ["rows.jsonl"]), []
    monkeypatch.setattr(asking, "print_formatted_text", lambda shown: said.append(shown[0][1]))
    asking.ask(words("en"), folder / "kept.yaml", seen, {}, PromptSession(input=DummyInput(), output=DummyOutput()))
    (told,) = [one for one in said if "rows.jsonl" in one]
    assert "\n" in told and "[2J" in told and "\x1b" not in told and "\u202e" not in told


def test_what_the_coach_wrote_is_told_without_escapes(folder: Path) -> None:
    out, _ = tunec(folder, "coach", "rows.jsonl", "--out", "ta\x1b[2J\u202esk.yaml")
    assert "[2J" in out and "\x1b" not in out and "\u202e" not in out


def test_a_bomb_of_aliases_among_the_answers_is_refused(folder: Path) -> None:
    bomb = "a: &a [x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
    )
    (folder / "answers.yaml").write_text(bomb, encoding="utf-8")
    with pytest.raises(UserError) as found:
        read(folder / "answers.yaml")
    assert found.value.diagnostics[0].code == "T005"


def test_the_key_of_a_model_is_written_nowhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tunec.coaching import reading_freely

    monkeypatch.setenv(reading_freely.KEY, "sk-very-secret")
    (folder / "story.txt").write_text("I sort mails.", encoding="utf-8")
    words = ("coach", "rows.jsonl", "--story", "story.txt", "--llm", "http://127.0.0.1:9/v1")
    out, err = tunec(folder, *words, code=1)
    assert "T721" in err
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert "sk-very-secret" not in out + err + "".join(file.read_text("utf-8", "replace") for file in files)
    assert not (folder / SESSION).exists()
