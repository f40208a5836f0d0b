"""Columns of several files: each is looked at by itself, for each fills a row by itself."""

from __future__ import annotations

import pytest

from compiler.workspace import Peek
from tests.compiling import MINIMAL, told
from tunec.peeking import peek


def codes(*files: set[str], task: str = MINIMAL) -> list[str]:
    """What `tunec check` says of columns, where each file has these."""
    peeks = {f"data/raw/{n}.jsonl": Peek(frozenset(columns), 500) for n, columns in enumerate(files)}
    return [found.code for found in told(task, peeks=peeks) if found.code in ("T103", "T105", "T109", "T960", "T961")]


def test_answers_may_stand_in_a_column_of_each_file_s_own() -> None:
    assert codes({"text", "output"}, {"text", "answer"}) == []
    assert codes({"text", "output"}, {"text", "people", "time"}) == []


def test_a_column_beside_the_answer_s_is_not_read_in_any_file() -> None:
    assert codes({"text", "output", "answer"}) == ["T105"]
    assert codes({"text", "output", "note"}, {"text", "answer"}) == ["T105"]


def test_every_file_needs_what_the_template_reads() -> None:
    assert codes({"text", "output"}, {"message", "output"}) == ["T960"]
    assert codes({"message", "output"}, {"message", "output"}) == ["T103"]


def test_a_large_file_may_have_the_column_in_later_rows() -> None:
    peeks = {"data/raw/0.jsonl": Peek(frozenset({"text", "output"}), 500)}
    peeks["data/raw/1.jsonl"] = Peek(frozenset({"message", "output"}), 10**6, whole=False)
    assert "T960" not in {found.code for found in told(MINIMAL, peeks=peeks)}


@pytest.mark.parametrize(
    ("code", "task"),
    [
        ("T114", MINIMAL + "splits: {group_by: guest}\n"),
        ("T608", MINIMAL + "data: {patterns: {phone: '[0-9]+'}}\n"),
        ("T609", MINIMAL + "data: {quotas: [{by: town, value: Bern, min: 5}]}\n"),
        ("T610", MINIMAL + "splits: {order_by: day}\n"),
    ],
)
def test_what_some_rows_have_is_missing_only_of_files_that_were_seen_whole(code: str, task: str) -> None:
    for whole in (True, False):
        peeks = {"data/raw/0.jsonl": Peek(frozenset({"text", "output"}), 500, whole=whole)}
        assert (code in {found.code for found in told(task, peeks=peeks)}) is whole


@pytest.mark.parametrize(
    ("code", "task"),
    [
        ("T103", MINIMAL.replace("{text}", "{message}")),
        ("T109", MINIMAL + "data: {output: slots}\n"),
        ("T111", MINIMAL + "data: {sources: [{path: data/raw/0.jsonl, map: {said: speech}}]}\n"),
        ("T135", MINIMAL.replace("training:", "training:\n  method: dpo")),
    ],
)
def test_what_every_row_needs_is_missing_where_the_first_hundreds_lack_it(code: str, task: str) -> None:
    peeks = {"data/raw/0.jsonl": Peek(frozenset({"text", "output"}), 500, whole=False)}
    assert code in {found.code for found in told(task, peeks=peeks)}


def test_rows_are_counted_of_files_that_were_seen_in_part_as_well() -> None:
    peeks = {"data/raw/0.jsonl": Peek(frozenset({"text", "output"}), 60, whole=False)}
    assert "T163" in {found.code for found in told(MINIMAL, peeks=peeks)}


def zero(split: str, *rows: str, sources: str = "") -> list[str]:
    """Codes told of a share of 0 for a split, of a file of these rows."""
    shares = {"train": 0.8, "dev": 0.2, "test": 0.2} | {split: 0}
    task = MINIMAL + f"splits: {{ratios: {{{', '.join(f'{name}: {of}' for name, of in shares.items())}}}}}\n" + sources
    columns, splits = frozenset({"text", "output", *rows}), frozenset(rows and {split})
    found = told(task, peeks={"data/raw/0.jsonl": Peek(columns, 500, splits), "other.jsonl": Peek(columns, 500)})
    return [one.code for one in found if one.code in ("T129", "T163")]


@pytest.mark.parametrize("split", ["dev", "test"])
def test_a_share_of_0_is_an_error_unless_the_data_name_that_split(split: str) -> None:
    assert zero(split) == ["T129"]
    assert zero(split, "split") == []
    role = f"data: {{sources: [{{path: data/raw/0.jsonl}}, {{path: other.jsonl, role: {split}}}]}}\n"
    assert zero(split, sources=role) == []


@pytest.mark.parametrize(("name", "text"), [("a.csv", ""), ("a.csv", "text,output\n"), ("a.tsv", " \n")])
def test_data_without_a_row_are_an_error_and_one_empty_file_among_others_is_none(tmp_path, name, text) -> None:
    (tmp_path / name).write_text(text)
    empty = peek(tmp_path / name, "auto")
    assert empty == Peek(frozenset(), 0)
    (found,) = told(MINIMAL, peeks={f"data/raw/{name}": empty})
    assert found.code == "T101" and "holds no row" in found.message
    assert not told(
        MINIMAL, peeks={f"data/raw/{name}": empty, "data/raw/b.jsonl": Peek(frozenset({"text", "output"}), 500)}
    )


def test_neither_a_damaged_file_nor_the_one_that_the_coach_begins_with_is_an_empty_table(tmp_path) -> None:
    (tmp_path / "a.jsonl").write_text("{broken\n")
    (tmp_path / "b.jsonl").write_text("")
    assert peek(tmp_path / "a.jsonl", "auto") is peek(tmp_path / "b.jsonl", "auto") is None


def test_a_map_may_swap_two_columns() -> None:
    swapped = MINIMAL + "data: {sources: [{path: data/raw/0.jsonl, map: {text: said, said: text}}]}\n"
    assert codes({"text", "said", "output"}, task=swapped) == ["T105"], "what was `text` is read by nobody"
    assert codes({"text", "said", "output"}, task=swapped.replace(", said: text", "")) == ["T961"]


@pytest.mark.parametrize(
    ("name", "line", "whole"),
    [("a.jsonl", '{"text": "x"}\n', False), ("a.csv", "x,y\n", True), ("a.tsv", "x\ty\n", True)],
)
def test_what_is_looked_at_in_part_may_hold_more_unless_a_header_says_so(tmp_path, name, line, whole) -> None:
    for rows, expected in ((10, True), (60_000, whole)):
        file = tmp_path / f"{rows}-{name}"
        file.write_text(line * rows)
        found = peek(file, "auto")
        assert found and found.whole is expected
