"""What rows show by themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunec.observing import Observed, observe
from tunec.observing.languages import language, languages


def seen(tmp_path: Path, rows: list[dict[str, Any]]) -> Observed:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / "rows.jsonl").write_text(text, encoding="utf-8")
    return observe(tmp_path, ["rows.jsonl"])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("The card is on its way to you", "en"),
        ("請問這個訂單什麼時候會出貨？", "zh-TW"),
        ("请问这个订单什么时候会发货？", "zh-CN"),
        ("注文はいつ届きますか", "ja"),
        ("주문은 언제 도착하나요", "ko"),
        ("Wann kommt die Karte, und ist sie schon bezahlt?", "de"),
        ("Когда придёт моя карта", "ru"),
        ("12-3456", None),
    ],
)
def test_a_language_is_told_by_script_and_small_words(text: str, name: str | None) -> None:
    assert language(text) == name


def test_chinese_that_could_be_either_counts_as_the_other_rows_do() -> None:
    assert languages(["你好", "請問運費怎麼算？", "可以嗎"]) == {"zh-TW": 1.0}
    assert languages(["你好"]) == {"zh": 1.0}


def test_few_answers_again_and_again_are_labels_and_others_are_text(tmp_path: Path) -> None:
    few = seen(tmp_path, [{"text": f"the number {n}", "label": "ab"[n % 2]} for n in range(12)])
    assert few.contract.type == "label" and few.contract.labels == {"a": 6, "b": 6}
    each = seen(tmp_path, [{"text": f"the number {n}", "output": f"answer {n}"} for n in range(12)])
    assert each.contract.type == "text" and each.contract.labels is None


def test_a_schema_is_made_of_the_answers_and_every_answer_fits_it(tmp_path: Path) -> None:
    from jsonschema import Draft202012Validator

    answers = [{"n": 1, "kind": "x", "more": {"deep": [True, False]}}, {"n": 2.5, "kind": "y"}, {"n": 3, "kind": "x"}]
    found = seen(tmp_path, [{"text": f"row {n}", "output": answer} for n, answer in enumerate(answers * 5)])
    schema = found.contract.schema
    assert schema and schema["required"] == ["n", "kind"] and schema["properties"]["kind"]["enum"] == ["x", "y"]
    assert all(Draft202012Validator(schema).is_valid(answer) for answer in answers)
    assert not Draft202012Validator(schema).is_valid({"n": 1, "kind": "x", "other": 1})


def test_doubles_and_inputs_with_two_answers_are_counted(tmp_path: Path) -> None:
    rows = [{"text": "A b", "label": "x"}, {"text": "a  B", "label": "x"}, {"text": "a b", "label": "y"}]
    found = seen(tmp_path, [*rows, {"text": "other", "label": "y"}])
    assert (found.duplicates, found.conflicts) == (1, 1)


def test_a_column_that_gives_the_answer_away_does_not_go_in(tmp_path: Path) -> None:
    row = {"question": "Is it so?", "context": "It is so.", "answer": "yes", "long_answer": "It is.", "id": "a1"}
    found = seen(
        tmp_path, [row | {"id": f"a{n}", "question": f"Is {n} so?", "context": f"{n} is so."} for n in range(9)]
    )
    assert found.columns.inputs == ("question", "context") and found.columns.answer == "answer"
    assert found.columns.left_out == {"long_answer": "gives_away"}


def test_a_column_of_lists_or_of_one_value_is_not_taken_for_the_answer(tmp_path: Path) -> None:
    rows = [{"mail": f"number {n}", "words": ["a"], "plant": "north", "sum": n % 2} for n in range(12)]
    assert seen(tmp_path, rows).columns.answer is None


def test_rows_that_say_what_is_better_are_pairs(tmp_path: Path) -> None:
    found = seen(tmp_path, [{"prompt": f"ask {n}", "chosen": "a", "rejected": "b"} for n in range(4)])
    assert found.columns.shape == "pairs" and found.columns.inputs == ("prompt",)


def test_lines_that_cannot_be_read_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "a", "label": "b"}\n{broken\n', encoding="utf-8")
    found = observe(tmp_path, ["rows.jsonl"])
    assert (found.looked, found.unreadable) == (1, 1) and found.reason and found.reason.startswith("rows.jsonl:2:")


def test_rows_of_other_splits_are_not_counted_as_rows_to_train_on(tmp_path: Path) -> None:
    rows = [{"text": f"t {n}", "label": "a", "split": "train" if n < 6 else "test"} for n in range(10)]
    assert seen(tmp_path, rows).trainable == 6
