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
