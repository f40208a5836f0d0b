"""Files with one defect each: what the data stage says of them, line by line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from compiler.parse import ParseError
from stages.diagnostics import Diagnostic, UserError
from tests.compiling import refused
from tests.data.building import LABELS, Read, read
from tunec import data_commands
from tunec.examining import Examined, examine

BAD = Path(__file__).parent / "bad"
MANIFEST: list[dict[str, Any]] = json.loads((BAD / "manifest.json").read_text(encoding="utf-8"))

# File -> (rows accepted, line -> how its reason begins).
READ: dict[str, tuple[int, dict[int, str]]] = {
    "00_good_control.jsonl": (40, {}),
    "01_truncated_last_line.jsonl": (39, {40: "not JSON: Unterminated string"}),
    "03_utf8_bom.jsonl": (40, {}),
    "08_invalid_utf8_bytes.jsonl": (6, {4: "not UTF-8 at byte 21"}),
    "09_nul_bytes.jsonl": (7, {4: "not JSON: Invalid control character", 5: "not JSON: Expecting value"}),
    "10_duplicate_ids.jsonl": (6, {7: "a duplicate"}),
    "12_conflicting_labels.jsonl": (5, dict.fromkeys((1, 7, 8, 9), "the same input has another answer")),
    "13_unseen_label_in_test.jsonl": (
        40,
        {
            41: "`careers` is no label of the contract: mend it, or add it",
            42: "`Refund` is no label of the contract: did you mean `refund`?",
            43: "`refund` stands with blanks around it",
        },
    ),
    "14_one_megabyte_row.jsonl": (6, {4: "longer than 1,000,000 bytes: 1,000,0"}),
    "15_mixed_line_endings.jsonl": (6, {5: "not JSON: Extra data"}),
    "17_nested_arrays_10k.jsonl": (4, {3: "not JSON: nested more than 100 deep"}),
    "19_csv_embedded_newlines.csv": (4, {}),
    "21_csv_formula_injection.csv": (4, {}),
    "23_leaked_test.jsonl": (8, {}),
    "23_leaked_train.jsonl": (36, {}),
    "24_pii_rows.jsonl": (
        8,
        {
            6: "it holds a secret: api_key",
            7: "it holds a secret: aws_key",
            9: "it holds a secret: password",
            10: "it holds a secret: private_key",
        },
    ),
    "25_prompt_injection_and_template_tokens.jsonl": (10, {}),
}
# File -> (code, message, line, some of the notes).
REFUSED: dict[str, tuple[str, str, int | None, tuple[str, ...]]] = {
    "04_utf16le_bom.jsonl": ("T302", "04_utf16le_bom.jsonl is UTF-16, and UTF-8 is read", 1, ()),
    "06_big5_zhtw.jsonl": (
        "T302",
        "06_big5_zhtw.jsonl is not UTF-8; it looks like big5",
        1,
        ("line 1 is not UTF-8 at byte 22",),
    ),
    "18_nested_objects_100k.json": ("T301", "the only row is rejected", 1, ("1 by format: not JSON: nested more",)),
    "22_csv_semicolon_latin1.csv": (
        "T302",
        "22_csv_semicolon_latin1.csv is not UTF-8; it looks like cp1252",
        2,
        ("line 2 is not UTF-8 at byte 3",),
    ),
    "26_missing_and_null_fields.jsonl": (
        "T301",
        "none of 13 rows is left",
        10,
        (
            "4 by format: not a JSON object",
            "3 by row: the input field text is missing",
            "2 by row: every input field is empty",
        ),
    ),
    "28_not_json_dialects.jsonl": ("T301", "none of 10 rows is left", 1, ("1 by format: not JSON: NaN is not JSON",)),
    "30_empty.jsonl": ("T301", "the sources hold no rows", 1, ()),
    "31_only_blank_lines.jsonl": ("T301", "none of 3 rows is left", 1, ("3 by format: an empty line",)),
    "32_header_only.csv": ("T301", "the sources hold no rows", 1, ()),
}


def read_bad(name: str, task: str = LABELS, *extra: bytes) -> Read:
    """The data stage on a broken file, with more lines at its end."""
    path = f"data/raw/{name}"
    return read(
        {path: b"\n".join([(BAD / name).read_bytes(), *extra])}, f"{task}data: {{sources: [{{path: {path}}}]}}\n"
    )


def refusal(name: str, task: str = LABELS) -> Diagnostic:
    with pytest.raises((UserError, ParseError)) as stopped:
        read_bad(name, task)
    (found,) = stopped.value.diagnostics
    return found


@pytest.mark.parametrize("name", READ)
def test_bad_lines_are_rejected_by_number_and_the_rest_is_read(name: str) -> None:
    accepted, reasons = READ[name]
    found = read_bad(name)
    assert len(found.rows) == accepted
    assert found.lines.keys() == reasons.keys()
    assert all(found.lines[line].startswith(reason) for line, reason in reasons.items())
    assert found.report["read"] == accepted + len(reasons)


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_of_which_nothing_is_left_stops_the_build(name: str) -> None:
    code, message, line, notes = REFUSED[name]
    found = refusal(name)
    assert (found.code, found.message) == (code, message)
    if line is not None:  # else it is the compiler that refuses, and points at task.yaml
        assert found.span and (found.span.file, found.span.line) == (f"data/raw/{name}", line)
    assert found.help
    for note in notes:
        assert any(said.startswith(note) for said in found.notes), found.notes


def test_the_tables_hold_every_file_of_the_manifest() -> None:
    files = {path.name for path in BAD.iterdir()} - {"README.md", "manifest.json"}
    assert files == {item["file"] for item in MANIFEST} == READ.keys() | REFUSED.keys() | OTHERS | TASKS


# What `tunec data check FILE` says where no task is: (lines rejected, lines flagged). Files of one line a rejection, or
# none, follow the manifest.
FLAGGED: dict[str, tuple[set[int], set[int]]] = {
    "09_nul_bytes.jsonl": ({4, 5}, {9}),
    "10_duplicate_ids.jsonl": ({7}, {5, 6}),
    "13_unseen_label_in_test.jsonl": (set(), {41, 42, 43}),
    "15_mixed_line_endings.jsonl": ({5}, set()),
    "18_nested_objects_100k.json": ({1}, set()),
    "23_leaked_train.jsonl": (set(), set()),
    "24_pii_rows.jsonl": ({6, 7, 9, 10}, {1, 2, 3, 4, 5, 8, 11}),
    "25_prompt_injection_and_template_tokens.jsonl": (set(), {1, 10}),
    "28_not_json_dialects.jsonl": (set(range(1, 11)), set()),
    "31_only_blank_lines.jsonl": ({1, 2, 3}, set()),
    "33_single_class.jsonl": (set(), {1}),
    "34_extreme_imbalance.jsonl": (set(), {991}),
}
OTHERS = {
    "33_single_class.jsonl",
    "34_extreme_imbalance.jsonl",
    "36_entity_offsets_bad.jsonl",
    "37_tool_calls_bad.jsonl",
    "44_license_field_conflict.jsonl",
}
TASKS = {"39_yaml_bomb.yaml", "40_yaml_python_tag.yaml", "41_yaml_surprises.yaml", "42_zip_slip_names.txt"}
WHOLE = {
    "04_utf16le_bom.jsonl",
    "06_big5_zhtw.jsonl",
    "22_csv_semicolon_latin1.csv",
    "30_empty.jsonl",
    "32_header_only.csv",
}


@pytest.mark.parametrize("item", [i for i in MANIFEST if i["file"] not in TASKS], ids=lambda i: i["file"])
def test_checking_a_file_without_a_task_says_what_the_manifest_expects(
    item: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `tunec data check FILE`, in a folder without a task."""
    name = item["file"]
    if name in WHOLE:
        with pytest.raises(UserError) as refused:
            examine(tmp_path, [BAD / name])
        (one,) = refused.value.diagnostics
        assert one.code in ("T301", "T302") and one.help and one.span and one.span.line >= 1
        return
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(data_commands.app, ["check", str(BAD / name), "--json"])
    found = Examined(**json.loads(said.stdout))
    assert said.exit_code == (0 if found.clean else 1)
    expected = FLAGGED.get(name, (set(item.get("bad_lines", ())), set()))
    assert ({one["line"] for one in found.rejected}, {one["line"] for one in found.flagged}) == expected
    assert found.report["read"] == found.report["accepted"] + found.report["rejected"]
    assert all(str(BAD / name) == one["file"] for one in (*found.rejected, *found.flagged))


def test_a_call_that_its_tools_do_not_allow_is_told_by_field(tmp_path: Path) -> None:
    said = {one["line"]: one["reason"] for one in examine(tmp_path, [BAD / "37_tool_calls_bad.jsonl"]).rejected}
    assert said[3] == "in a call, the mapping of arguments lacks city" and said[4] == "in a call, unit is none of c, f"
    assert said[6] == "in a call, the mapping of arguments has the unknown field extra"
    assert (said[10], said[11]) == (
        "a tool's schema refers to what it lacks",
        "a tool's schema refers to what stands outside of it",
    )


def test_licences_of_rows_stand_in_the_report(tmp_path: Path) -> None:
    found = examine(tmp_path, [BAD / "44_license_field_conflict.jsonl"])
    assert found.report["licenses"] == {"cc-by-nc-4.0": 1, "mit": 1, "none": 1}


def test_the_leaked_pair_has_one_exact_copy_and_three_after_normalisation(tmp_path: Path) -> None:
    found = examine(tmp_path, [BAD / "23_leaked_train.jsonl", BAD / "23_leaked_test.jsonl"])
    assert [(one["line"], one["gate"]) for one in found.rejected] == [(33, "duplicates")]
    assert sorted(leak["line"] for leak in found.leaks) == [34, 35, 36] and not found.clean


@pytest.mark.parametrize("name", sorted(TASKS - {"42_zip_slip_names.txt"}))
def test_hostile_yaml_is_refused_as_a_task(name: str) -> None:
    assert refused((BAD / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("line", (BAD / "42_zip_slip_names.txt").read_text(encoding="utf-8").splitlines())
def test_no_name_leads_out_of_the_workspace(line: str) -> None:
    task = LABELS + f"data: {{sources: [{{path: {json.dumps(line)}}}]}}\n"
    assert {"T101", "T102"} & {found.code for found in refused(task, line)}


@pytest.mark.parametrize("item", [i for i in MANIFEST if i["file"] in READ], ids=lambda i: i["file"])
def test_what_the_manifest_expects_is_what_happens(item: dict[str, Any]) -> None:
    accepted, reasons = READ[item["file"]]
    if item["file"] not in (*FLAGGED, "15_mixed_line_endings.jsonl"):
        assert accepted == item.get("rows", accepted)
        assert set(reasons) == set(item.get("bad_lines", ()))


def test_among_good_rows_each_bad_line_has_its_own_reason() -> None:
    found = read_bad("26_missing_and_null_fields.jsonl", LABELS, b'{"text": "a good one", "label": "refund"}')
    assert len(found.rows) == 1
    assert set(range(1, 14)) <= found.lines.keys()
    assert found.lines[2] == "the input field text is missing"
    assert found.lines[4] == "every input field is empty"
    assert found.lines[6] == "the answer is missing: `label` is empty"


def test_json_of_other_dialects_is_rejected_line_by_line() -> None:
    found = read_bad("28_not_json_dialects.jsonl", LABELS, b'{"text": "a good one", "label": "refund"}')
    assert len(found.rows) == 1 and set(range(1, 11)) <= found.lines.keys()
    assert "surrogates" in found.lines[8]


def test_objects_nested_a_hundred_thousand_deep_are_rejected_and_crash_nothing() -> None:
    task = LABELS + "data: {sources: [{path: data/raw/18_nested_objects_100k.json, format: jsonl}]}\n"
    with pytest.raises(UserError) as refused:
        read({"data/raw/18_nested_objects_100k.json": (BAD / "18_nested_objects_100k.json").read_bytes()}, task)
    assert "nested more than 100 deep" in refused.value.diagnostics[0].notes[0]


def test_control_tokens_templates_and_markup_in_rows_stay_text() -> None:
    name = "25_prompt_injection_and_template_tokens.jsonl"
    assert sorted(row["input"]["text"] for row in read_bad(name).rows) == sorted(texts(name))


def test_spreadsheet_formulas_are_kept_as_they_are() -> None:
    found = {row["input"]["text"] for row in read_bad("21_csv_formula_injection.csv").rows}
    assert {"+1+1", "@SUM(1)", "-2+3"} < found


def test_a_line_break_inside_a_csv_cell_is_text_and_no_row() -> None:
    found = {row["input"]["text"] for row in read_bad("19_csv_embedded_newlines.csv").rows}
    assert {"Line one\nline two, with comma", 'He said "refund" \r\n again', "中文\n\n第二段", "plain"} == found


def test_no_replacement_character_reaches_the_accepted_rows() -> None:
    assert "\ufffd" not in read_bad("08_invalid_utf8_bytes.jsonl").accepted.decode()


def test_personal_data_in_rows_reaches_no_error_message() -> None:
    found = refusal("24_pii_rows.jsonl", LABELS.replace("account, refund, shipping", "other"))
    said = " ".join([found.message, *found.notes, str(found.help)])
    words = {word for text in texts("24_pii_rows.jsonl") for word in text.split()}
    assert not {word for word in words if word in said and (sum(map(str.isdigit, word)) > 2 or "@" in word)}


def texts(name: str) -> list[str]:
    return [json.loads(line)["text"] for line in (BAD / name).read_text(encoding="utf-8").splitlines()]
