"""What rows and reports hold is shown by diagnose and repair, never obeyed; and nothing is written outside."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from stages.rows import read_json, row_id, write_json
from tests.diagnosing.made import VARIANT, Made, tunec

ESCAPE = "\x1b[2J\u202eevil"
FORMULA = '=HYPERLINK("http://evil.example")'


OUTSIDE = ("/clean.jsonl", "../clean.jsonl", "data/out/clean.jsonl", "task.yaml", "build/x")


@pytest.mark.parametrize("path", OUTSIDE)
def test_clean_rows_are_written_to_a_new_file_below_the_folder_alone(path: str, tmp_path: Path) -> None:
    root = tmp_path / "w"
    root.mkdir()
    Made(root).write()
    (root / "data/out").symlink_to(tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert "error[T865]" in tunec(root, "diagnose", "--clean", path, code=1)[1]
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_a_terminal_obeys_nothing_that_stands_in_a_report(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.training["signals"] = {"wrong_template": {"seen": f"{ESCAPE}\n2. all is well"}}
    text, _ = tunec(made.write().root, "diagnose")
    assert "\x1b" not in text and "\u202e" not in text and "\n2. all is well" not in text


def test_a_spreadsheet_obeys_nothing_that_stands_in_a_row(tmp_path: Path) -> None:
    made = Made(tmp_path)
    texts = [f"{FORMULA} {one.input['text']}" for one in made.train]
    made.train = [
        replace(one, id=row_id({"text": text}, one.output), input={"text": text})
        for one, text in zip(made.train, texts, strict=True)
    ]
    tunec(made.write().root, "repair")
    with (tmp_path / "data/repair/round-1.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    assert any(FORMULA in cell for cell in cells)
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)


def test_a_sheet_cannot_name_where_its_rows_go(tmp_path: Path) -> None:
    """The record says which round it is; no path of it is used."""
    Made(tmp_path).write()
    tunec(tmp_path, "repair")
    record = tmp_path / "data/repair/round-1.json"
    write_json(record, read_json(record) | {"number": "../../evil"})
    assert "error[T871]" in tunec(tmp_path, "repair", code=1)[1]


def test_a_variant_s_name_leads_nowhere_else(tmp_path: Path) -> None:
    Made(tmp_path).write()
    path = tmp_path / "build/select/choice.json"
    for name in ("../../etc", VARIANT + "/../x"):
        write_json(path, read_json(path) | {"variant": name})
        assert "error[T860]" in tunec(tmp_path, "diagnose", code=1)[1]
