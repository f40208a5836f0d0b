"""Baselines that need no language model: what they answer, and what options they take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages.baselines import rag
from stages.baselines._ask import Question
from stages.baselines._similar import bm25, nearest
from stages.catalog import Baseline, members
from stages.chat import Prompting
from stages.contract import Contract
from stages.diagnostics import UserError
from stages.predicting import timed
from stages.rows import Row

BASELINES = members("stages.baselines", "BASELINE", Baseline)
MOODS = Contract(type="label", schema_={"enum": ["good", "bad"]})
TRAIN = [("what a lovely evening", "good"), ("lovely food, lovely place", "good"), ("cold soup and rude", "bad")]
TRAIN += [("the soup was cold", "bad"), ("rude waiter", "bad"), ("a lovely waiter", "good")]


def question(
    train: list[tuple[str, Any]], asked: list[str], contract: Contract = MOODS, options: Any = True, **given: Any
) -> Question:
    rows = [Row(f"t{n}", {"text": text}, output) for n, (text, output) in enumerate(train)]
    prompting = Prompting(input_template="{text}", system_prompt=None, mode="none")
    tested = [Row(f"q{n}", {"text": text}, None) for n, text in enumerate(asked)]
    return Question(tested, lambda: iter(rows), contract, prompting, None, None, options, **given)


def said(name: str, *given: Any, **more: Any) -> list[str]:
    return [answer.text for answer in BASELINES[name].answer(question(*given, **more))]


def test_a_classifier_says_a_label_and_how_sure_it_is() -> None:
    found = list(BASELINES["tfidf"].answer(question(TRAIN, ["lovely soup place", "cold and rude"])))
    assert [answer.text for answer in found] == ["good", "bad"]
    assert all(0.5 <= (answer.confidence or 0) <= 1 for answer in found)


@pytest.mark.parametrize(("train", "label"), [([("a", "bad")], "bad"), ([], "good")])
def test_with_one_label_or_none_there_is_nothing_to_learn(train: list[tuple[str, str]], label: str) -> None:
    assert said("tfidf", train, ["anything"]) == [label]


@pytest.mark.parametrize("name", ["majority", "tfidf", "nearest"])
def test_what_is_learnt_first_is_no_part_of_the_speed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("stages.predicting.perf_counter", lambda: clock[0])
    asked = question(TRAIN, ["lovely soup place", "cold and rude"])

    def slowly() -> Iterator[Row]:
        clock[0] += 100
        return asked.train()

    found = timed(lambda: BASELINES[name].answer(replace(asked, train=slowly)))
    assert found.seconds == 0 and len(found.answers) == 2


def test_the_nearest_row_lends_its_answer() -> None:
    slots = Contract(type="json", schema_={"type": "object"})
    train = [("table for two at noon", {"time": "noon"}), ("a taxi to the airport", {"to": "airport"})]
    assert said("nearest", train, ["taxi please", "noon, two of us"], slots) == [
        '{"to": "airport"}',
        '{"time": "noon"}',
    ]
    assert said("nearest", [], ["x"], slots) == [""]


def test_similarity_works_without_blanks_between_words() -> None:
    known = ["我想訂明天晚上的位子", "信用卡遺失了怎麼辦"]
    assert nearest(known, ["卡片遺失"], 1) == bm25(known, ["卡片遺失"], 1) == [[1]]


def test_bm25_is_what_its_formula_says() -> None:
    import math

    known = ["a b b", "a c", "d"]
    rarity = math.log1p((3 - 1 + 0.5) / 1.5)
    weight = rarity * 2 * 2.5 / (2 + 1.5 * (0.25 + 0.75 * 3 / 2))
    assert bm25(known, ["b"], 3)[0][0] == 0 and weight > 0
    assert bm25(known, ["c"], 1) == [[1]] and bm25(known, ["d"], 1) == [[2]]


def test_documents_are_read_in_passages(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("One.\n\nTwo.\n\n" + "long " * 600, encoding="utf-8")
    found = rag.passages(file)
    assert found[0] == "One.\nTwo." and all(len(text) <= rag.LONGEST for text in found) and len(found) == 4


@pytest.mark.parametrize(
    ("name", "options", "taken"),
    [
        ("few_shot", True, True),
        ("few_shot", {"k": 8}, True),
        ("few_shot", {"k": 0}, False),
        ("few_shot", {"k": True}, False),
        ("few_shot", {"shots": 3}, False),
        ("rag", {"k": 2, "documents": "docs/*.txt"}, True),
        ("rag", {"documents": "/etc/passwd"}, False),
        ("rag", {"documents": "docs/../../x"}, False),
        ("rag", {"documents": "C:/x"}, False),
        ("encoder", {"model": "models/minilm"}, True),
        ("encoder", {"model": "../minilm"}, False),
        ("larger", True, False),
        ("larger", {"model": "models/big.gguf"}, True),
        ("larger", {"model": "models/big.bin"}, False),
        ("larger", {"model": "/models/big.gguf"}, False),
        ("larger", {"endpoint": "https://api.example.com/v1", "model": "big", "key_env": "KEY"}, True),
        ("larger", {"endpoint": "file:///etc/passwd", "model": "big"}, False),
        ("larger", {"endpoint": "https://user:pass@example.com/v1", "model": "big"}, False),
        ("larger", {"endpoint": "http://localhost:8000/v1", "model": "big", "key_env": "$(id)"}, False),
        ("larger", {"endpoint": "http://localhost:8000/v1", "model": "big", "key": "sk-1"}, False),
        (
            "larger",
            {"endpoint": "http://localhost:8000/v1", "model": "big", "price": {"input": -1, "output": 1}},
            False,
        ),
        ("tfidf", True, True),
        ("tfidf", {"c": 1}, False),
        ("nearest", True, True),
    ],
)
def test_options_are_checked_before_anything_runs(name: str, options: Any, taken: bool) -> None:
    assert (BASELINES[name].allowed(options, ()) is None) is taken


def test_a_rule_may_be_a_function_of_the_tasks_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rules.py").write_text("def answer(row):\n    return 'good' if 'lovely' in row['text'] else None\n")
    assert said("rule", TRAIN, ["lovely", "cold"], options="python:rules.py:answer") == ["good", ""]
    Path("wrong.py").write_text("def answer(row):\n    raise KeyError(row['text'])\n")
    with pytest.raises(UserError) as error:
        said("rule", TRAIN, ["a secret"], options="python:wrong.py:answer")
    found = error.value.diagnostics[0]
    assert found.code == "T700" and found.span and (found.span.file, found.span.line) == ("wrong.py", 2)
    assert "secret" not in found.message
