"""`tunec data show --mask` and `tunec export-data`: the rows as a model is trained on them, here and elsewhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from stages.diagnostics import UserError
from stages.rows import Row, write_rows
from tests.diagnosing.made import tunec
from tests.stages.teaching import pinned
from tests.tiny import tiny_model
from tunec import masking, providing
from tunec.masking import BEGIN, END

TASK = """\
task_name: tiny-slots
task_type: extraction
system_prompt: Read the slots.
input_template: "{text}"
output_format:
  type: json
  schema: {people: {type: string}}
training: {base_model: models/tiny, prompt: system, method: METHOD}
success_criteria: {threshold: 0.5}
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("masked")
    return pinned(tiny_model(home / "models" / "tiny"), home / "pinned")


def row(n: int, **more: Any) -> Row:
    return Row(f"row{n}", {"text": f"A table for {n}"}, {"people": str(n)}, **more)


@pytest.fixture
def workspace(base: Path, tmp_path: Path) -> Path:
    """A folder whose data, splits and model stages have run."""
    (tmp_path / "task.yaml").write_text(TASK.replace("METHOD", "sft"), encoding="utf-8")
    shutil.copytree(base.parents[1] / "models", tmp_path / "models")
    shutil.copytree(base, tmp_path / "build" / "model-tiny" / "base")
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "data" / "raw" / "rows.jsonl").write_text('{"text": "a", "people": "1"}\n', encoding="utf-8")
    fill(tmp_path, [row(n) for n in range(12)])
    return tmp_path


def fill(workspace: Path, rows: list[Row]) -> None:
    home = workspace / "build" / "splits"
    home.mkdir(parents=True, exist_ok=True)
    for name in ("dev", "test", "golden", "adversarial"):
        write_rows(home / f"{name}.jsonl", [])
    write_rows(home / "train.jsonl", rows)
    write_rows(home / "dev.jsonl", [row(n) for n in range(100, 103)])


def preferences(workspace: Path) -> None:
    (workspace / "task.yaml").write_text(TASK.replace("METHOD", "dpo"), encoding="utf-8")
    lines = '{"text": "a", "chosen": "1", "rejected": "2"}\n'
    (workspace / "data" / "raw" / "rows.jsonl").write_text(lines, encoding="utf-8")
    fill(workspace, [row(n, rejected={"people": "none"}) for n in range(12)])


def code(error: pytest.ExceptionInfo[UserError]) -> str:
    assert error.value.diagnostics[0].help
    return error.value.diagnostics[0].code


# ---------------------------------------------------------------- data show --mask


@pytest.mark.parametrize("named", ["row3", "4"])
def test_a_row_is_shown_with_what_is_learned_marked(named: str, workspace: Path) -> None:
    (shown,) = masking.mask(workspace, named, [])
    assert shown.id == "row3" and shown.split == "train"
    assert shown.text().endswith(f'<|im_start|>assistant\n{BEGIN}{{"people": "3"}}<|im_end|>{END}')
    assert shown.text().count(BEGIN) == 1 and "Read the slots." in shown.text().partition(BEGIN)[0]
    assert f"{shown.learned} of {shown.tokens} tokens are learned" in shown.text()
    assert shown.json()["pieces"][1]["learned"] is True


def test_a_preference_is_shown_with_both_answers(workspace: Path) -> None:
    preferences(workspace)
    better, worse = masking.mask(workspace, "1", [])
    assert '{"people": "0"}' in better.text() and '{"people": "none"}' in worse.text()


def texts(workspace: Path) -> None:
    (workspace / "task.yaml").write_text(TASK.replace("METHOD", "cpt"), encoding="utf-8")
    fill(workspace, [Row(f"text{n}", {}, None, text=f"Tables are for {n}. " * 30) for n in range(12)])


def test_a_text_is_shown_as_the_pieces_that_are_learned_whole_but_for_their_first_token(workspace: Path) -> None:
    texts(workspace)
    pieces = masking.mask(workspace, "text3", ["training.max_length=64"])
    assert len(pieces) > 1 and all(piece.tokens <= 64 and piece.learned == piece.tokens - 1 for piece in pieces)
    assert "assistant" not in pieces[0].text() and "Tables are for 3." in pieces[0].text()


def test_texts_are_nothing_that_a_provider_takes(workspace: Path) -> None:
    texts(workspace)
    with pytest.raises(UserError) as error:
        providing.provided(workspace, "together", [])
    assert code(error) == "T678" and "texts" in error.value.diagnostics[0].message


def test_an_override_is_shown_too(workspace: Path) -> None:
    (shown,) = masking.mask(workspace, "1", ["training.prompt=none"])
    assert "Read the slots." not in shown.text()


def test_a_row_that_is_not_there_is_refused_and_so_is_looking_before_a_build(workspace: Path) -> None:
    with pytest.raises(UserError) as error:
        masking.mask(workspace, "nobody", [])
    assert code(error) == "T679"
    for number in ("0", "13"):
        with pytest.raises(UserError) as error:
            masking.mask(workspace, number, [])
        assert code(error) == "T679" and "from 1 to 12" in str(error.value.diagnostics[0].help)
    shutil.rmtree(workspace / "build")
    with pytest.raises(UserError) as error:
        masking.mask(workspace, "1", [])
    assert code(error) == "T407"


# ---------------------------------------------------------------- export-data


def exported(workspace: Path, provider: str) -> list[dict[str, Any]]:
    out = workspace / "out"
    said = providing.provided(workspace, provider, []).write(out)
    assert "12 rows of train and 3 rows of dev" in said
    assert sorted(file.name for file in out.iterdir()) == ["dev.jsonl", "train.jsonl"], "test rows stay here"
    return [json.loads(line) for line in (out / "train.jsonl").read_text(encoding="utf-8").splitlines()]


CHAT = [{"role": "system", "content": "Read the slots."}, {"role": "user", "content": "A table for 3"}]


@pytest.mark.parametrize("provider", ["openai", "together"])
def test_messages(provider: str, workspace: Path) -> None:
    assert exported(workspace, provider)[3] == {
        "messages": [*CHAT, {"role": "assistant", "content": '{"people": "3"}'}]
    }


def test_rows_that_may_not_leave_are_written_after_a_warning_at_the_key(workspace: Path) -> None:
    task = workspace / "task.yaml"
    assert "T680" not in tunec(workspace, "export-data", "together")[1]
    task.write_text(task.read_text(encoding="utf-8") + "cost:\n  data_may_leave: false\n", encoding="utf-8")
    out, err = tunec(workspace, "export-data", "together")
    assert out.startswith("wrote 12 rows of train")
    assert "warning[T680]" in err and "task.yaml:11" in err and "rows may not leave this machine" in err
    (workspace / "taken").write_text("a file, so that nothing can be written there")
    err = tunec(workspace, "export-data", "together", "--out", "taken", code=1)[1]
    assert err.index("warning[T680]") < err.index("error[T685]: nothing can be written to taken: file exists")
    assert "T680" not in tunec(workspace, "export-data", "nobody", code=1)[1], "nothing would be written"


def test_bedrock_s_conversation(workspace: Path) -> None:
    assert exported(workspace, "bedrock")[3] == {
        "schemaVersion": "bedrock-conversation-2024",
        "system": [{"text": "Read the slots."}],
        "messages": [
            {"role": "user", "content": [{"text": "A table for 3"}]},
            {"role": "assistant", "content": [{"text": '{"people": "3"}'}]},
        ],
    }


def test_vertex_s_contents(workspace: Path) -> None:
    assert exported(workspace, "vertex")[3] == {
        "systemInstruction": {"role": "system", "parts": [{"text": "Read the slots."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "A table for 3"}]},
            {"role": "model", "parts": [{"text": '{"people": "3"}'}]},
        ],
    }


def test_preferences_keep_their_worse_answer_where_the_provider_takes_one(workspace: Path) -> None:
    preferences(workspace)
    found = exported(workspace, "openai")[3]
    assert found["input"] == {"messages": CHAT}
    assert found["preferred_output"] == [{"role": "assistant", "content": '{"people": "3"}'}]
    assert found["non_preferred_output"] == [{"role": "assistant", "content": '{"people": "none"}'}]
    assert "messages" in exported(workspace, "bedrock")[3]


def test_what_a_provider_does_not_take_is_refused_and_nothing_is_written(workspace: Path) -> None:
    fill(workspace, [row(n) for n in range(9)])
    with pytest.raises(UserError) as error:
        providing.provided(workspace, "openai", [])
    assert code(error) == "T678" and "at least 10" in error.value.diagnostics[0].message
    assert not (workspace / "out").exists()
    long = Row("long", {"text": "x" * 600_000}, {"people": "1"})
    fill(workspace, [*(row(n) for n in range(12)), long])
    with pytest.raises(UserError) as error:
        providing.provided(workspace, "openai", [])
    assert code(error) == "T678" and "long" in error.value.diagnostics[0].notes[0]
    fill(workspace, [Row(f"r{n}", {"text": f"User: {n}"}, {"people": "1"}) for n in range(12)])
    with pytest.raises(UserError) as error:
        providing.provided(workspace, "bedrock", [])
    assert code(error) == "T678" and "keeps for itself" in error.value.diagnostics[0].message


def test_a_provider_that_is_none_is_refused(workspace: Path) -> None:
    with pytest.raises(UserError) as error:
        providing.provided(workspace, "nobody", [])
    assert code(error) == "T677"
