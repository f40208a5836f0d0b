"""The gates that look at embeddings, with a model of a few words in which synonyms have one vector."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.diagnostics import UserError
from stages.meaning import _model, pairs
from tests.data.building import LABELS, Read, jsonl, read, split

MEANINGS = ("where wo", "parcel package box", "late delayed overdue", "refund money", "password login", "weather rain")
NAMES = ("config.json", "model.safetensors", "tokenizer.json")


@cache
def model() -> Mapping[str, bytes]:
    """A model2vec model of these words: name of a file -> its bytes."""
    from model2vec import StaticModel
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = {word: place for place, line in enumerate(MEANINGS) for word in line.split()}
    numbers = {word: number for number, word in enumerate(["[UNK]", *words])}
    tokenizer = Tokenizer(WordLevel(numbers, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()  # type: ignore[assignment]
    vectors = np.zeros((len(numbers), len(MEANINGS)), np.float32)
    for word, place in words.items():
        vectors[numbers[word], place] = 1
    folder = Path(mkdtemp())
    StaticModel(vectors, tokenizer).save_pretrained(folder)
    return {name: (folder / name).read_bytes() for name in NAMES}


def row(text: str, label: str = "refund", **more: Any) -> dict[str, Any]:
    return {"text": text, "label": label, **more}


def told(rows: list[dict[str, Any]], gate: str, action: str, **keys: Any) -> Read:
    """What the data stage makes of rows with the gate switched on."""
    files = {"data/raw/rows.jsonl": jsonl(rows), **{f"models/words/{name}": file for name, file in model().items()}}
    return read(files, task(gate, action, **keys))


def task(gate: str, action: str, **keys: Any) -> str:
    dedupe = {"embedder": "models/words", **keys.pop("dedupe", {})}
    source = [{"path": "data/raw/rows.jsonl"}]
    return LABELS + "data: " + json.dumps({"sources": source, "gates": {gate: action}, "dedupe": dedupe, **keys}) + "\n"


SAME = [row("where parcel"), row("wo package"), row("weather"), row("where box", "account"), row("refund late")]


def test_of_rows_that_say_the_same_in_other_words_one_is_trained_on() -> None:
    found = told(SAME, "semantic", "reject")
    assert len(found.rejected) == 1 and found.rejected[0]["line"] in (1, 2)
    assert found.rejected[0]["twin"] in ("data/raw/rows.jsonl:1", "data/raw/rows.jsonl:2")
    assert not told(SAME, "semantic", "off").rejected and len(told(SAME, "semantic", "warn").flagged) == 1


def test_how_alike_is_the_tasks_to_say() -> None:
    rows = [row("where parcel late refund"), row("wo package delayed password")]
    assert not told(rows, "semantic", "reject").rejected
    assert told(rows, "semantic", "reject", dedupe={"semantic": 0.7}).rejected


def test_a_train_row_that_tells_a_test_row_in_other_words_is_a_leak() -> None:
    others = [row(f"row number {n} of {n * n}", split="dev" if n % 2 else "train") for n in range(6)]
    rows = [*others, row("where parcel late", split="test"), row("wo box overdue", "account", split="train")]
    parts = split(told(rows, "semantic", "warn").accepted, LABELS, told(rows, "semantic", "warn").near)
    assert [leak["how"] for leak in parts["leaks"]] == ["meaning"]
    assert "wo box overdue" not in {one["input"]["text"] for one in parts["train"]}
    assert not split(told(rows, "semantic", "off").accepted, LABELS, told(rows, "semantic", "off").near).get("leaks")


MANY = [row(f"where parcel late {n}", ("refund", "account")[n % 2]) for n in range(20)]
FEW = [row(f"{words} {n}") for n, words in enumerate(("refund money", "password login", "refund", "login", "money"))]


def test_rows_beyond_what_may_be_about_one_thing_are_named_and_those_about_nothing() -> None:
    rows = [*MANY, *FEW, row("something else entirely")]
    found = told(rows, "clusters", "warn", clusters={"share": 0.5})
    crowded = {one["line"] for one in found.flagged if one["reason"] == "77% of the rows are about one thing, 50% may"}
    far = {one["line"] for one in found.flagged if one["reason"] == "it is far from every cluster of rows"}
    assert len(crowded) == len(MANY) - len(rows) // 2 and max(crowded) <= len(MANY) and far == {len(rows)}
    assert len(told(rows, "clusters", "reject", clusters={"share": 0.5}).rejected) == len(crowded) + 1
    assert not told(rows, "clusters", "warn", clusters={"share": 0.8, "far": 0}).flagged
    backwards = told(rows[::-1], "clusters", "warn", clusters={"share": 0.5})
    assert {one["id"] for one in found.flagged} == {one["id"] for one in backwards.flagged}


@pytest.mark.parametrize("gate", ["semantic", "clusters"])
def test_what_a_gate_needs_is_said(gate: str) -> None:
    files = {"data/raw/rows.jsonl": jsonl(MANY), "models/words/config.json": b"{"}
    asked: list[tuple[Callable[[], Any], str]] = [
        (lambda: read(files, task(gate, "reject")), "is no model of embeddings"),
        (lambda: _model(None, gate), "needs a model"),  # `tunec check` says it before that
    ]
    for ask, why in asked:
        with pytest.raises(UserError) as refused:
            ask()
        (found,) = refused.value.diagnostics
        assert found.code == "T602" and why in found.message and found.help


def test_an_embedder_that_is_no_folder_is_never_looked_for_on_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetched(*given: Any, **more: Any) -> None:
        raise AssertionError("it was looked for on the Hub")

    monkeypatch.setattr("model2vec.StaticModel.from_pretrained", fetched)
    with pytest.raises(UserError, match="needs a model of embeddings"):
        _model("minishlab/potion-base-2M", "semantic")


VECTORS = st.lists(st.tuples(*[st.integers(-2, 2)] * 3), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(VECTORS, st.sampled_from([0.5, 0.9, 1.0]))
def test_every_pair_above_the_threshold_is_found_once_and_no_other(
    rows: list[tuple[int, int, int]], least: float
) -> None:
    given_rows = np.array(rows, np.float32)
    lengths = np.linalg.norm(given_rows, axis=1, keepdims=True)
    unit = np.divide(given_rows, lengths, out=np.zeros_like(given_rows), where=lengths > 0)
    cosines = unit.astype(np.float64) @ unit.T
    expected = {
        (i, j)
        for j in range(len(rows))
        for i in range(j)
        if any(rows[i]) and any(rows[j]) and cosines[i, j] >= least - 1e-6
    }
    found = list(pairs(unit, least))
    assert len(found) == len(expected) and set(found) == expected
