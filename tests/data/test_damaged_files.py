"""Files of a build that were cut off or changed are named, by what to do and by no word of what they hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages import runner
from stages.answers import read_answers
from stages.diagnostics import UserError
from stages.rows import read_json, read_jsonl, read_rows, write_json

WHOLE = '{"id": "a", "input": {}, "output": "ok", "split": null}'


def lines(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    return lambda path: list(read(path))


@pytest.mark.parametrize(
    ("read", "text", "why"),
    [
        (read_json, b"", "it is empty"),
        (read_json, b" \n", "it is empty"),
        (read_json, b'{"a": "private', "Unterminated string starting at, character 7"),
        (read_json, b'{"a": "\xff"}', "it is no UTF-8"),
        (read_json, b"[" * 100_000, "it is nested too deeply"),
        (lines(read_jsonl), b'{"a": 1}\n{"private": ', "line 2: Expecting value"),
        (lines(read_rows), f'{WHOLE}\n{{"a": "private"}}\n'.encode(), "line 2 is no row"),
        (lines(read_rows), b"[3]\n", "line 1 is no row"),
        (lines(read_answers), b'{"id": "private"}\n', "a line of it is no answer"),
    ],
)
def test_what_is_damaged_is_told_with_its_place(
    read: Callable[[Path], Any], text: bytes, why: str, tmp_path: Path
) -> None:
    (tmp_path / "found").write_bytes(text)
    with pytest.raises(UserError) as error:
        read(tmp_path / "found")
    (found,) = error.value.diagnostics
    assert (
        found.code == "T861" and found.message.startswith(f"{tmp_path / 'found'} is not what") and why in found.message
    )
    assert "`tunec build`" in str(found.help) and "private" not in found.message


def test_who_can_do_without_the_file_catches_it_as_a_value_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "found").write_text("{")
    with pytest.raises(ValueError, match="is not what"):
        read_json(tmp_path / "found")


def test_a_stage_that_reads_one_tells_so_and_is_no_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "scores.json", {"rows": 16})
    text = (tmp_path / "scores.json").read_text(encoding="utf-8")
    (tmp_path / "scores.json").write_text(text[:-4], encoding="utf-8")
    given = {"primary": "accuracy", "threshold": 0.8, "gates": {}}
    meta = {"stage": "gate", "inputs": {"scores": "scores.json"}}
    write_json(tmp_path / "dvc.yaml", {"stages": {"gate": {"deps": ["scores.json"], "meta": meta}}})
    write_json(tmp_path / "params.yaml", {"gate": given})
    assert runner.main("gate") == runner.USER_ERROR
    said = capsys.readouterr().err
    assert "error[T861]: scores.json is not what" in said and "`tunec build`" in said
