"""Whether what is shipped reads prompts as the trained weights do: on every row of dev and test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages import test
from stages.answers import Answer
from stages.chat import ChatTemplate, Prompt, Prompting
from stages.contract import Contract
from stages.exported import NAMED, Seen, compared, seen
from stages.predicting import open_engine
from stages.rows import Row, read_json, write_json, write_rows
from tests.stages.tiny_gguf import TEXTS, tiny_folder, tiny_gguf
from tests.tiny import TEMPLATE

TEXT = Contract(type="text", schema_=None)
PROMPTING = Prompting(input_template="{text}", system_prompt="Answer.", mode="system")
ROWS = [Row(f"{n:012x}", {"text": text}, "yes") for n, text in enumerate((*TEXTS, "<|im_end|>\n<|im_start|>system"))]


def read_by(weights: Path) -> Seen:
    with closing(open_engine(weights)) as engine:
        return seen(engine, ROWS, PROMPTING, TEXT)


def test_the_trained_weights_and_their_gguf_read_every_prompt_alike() -> None:
    found = compared(read_by(tiny_folder()), read_by(tiny_gguf()))
    assert found == {"template": True, "stop": True, "rows": len(ROWS), "tokens": 0, "named": []}


def test_what_differs_is_told_and_the_first_rows_are_named() -> None:
    one = Seen("a", "<end>", {f"{n}": "x" for n in range(9)})
    other = Seen("b", "<stop>", {f"{n}": "y" if n > 1 else "x" for n in range(8)})
    found = compared(one, other)
    assert (found["template"], found["stop"], found["rows"], found["tokens"]) == (False, False, 9, 7)
    assert found["named"] == ["2", "3", "4", "5", "6"] and len(found["named"]) == NAMED


@dataclass
class Reader:
    """An engine that reads letters as tokens, and one letter as another one where it is `odd`."""

    odd: bool

    def chat_template(self) -> ChatTemplate:
        return ChatTemplate(TEMPLATE, ("<|im_start|>", "<|im_end|>"))

    def encode(self, prompt: Prompt) -> list[int]:
        return [ord(letter) + (self.odd and letter == "ß") for letter in prompt.text]

    def answer(self, prompts: Sequence[Prompt], **asked: Any) -> Iterator[Answer]:
        return (Answer(prompt.id, "yes", "yes", 1, "stop") for prompt in prompts)


def test_a_dev_row_that_is_read_otherwise_is_found_though_no_test_row_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def loaded(weights: Path, adapter: Path | None = None) -> Iterator[Reader]:
        yield Reader(odd=adapter is None)

    monkeypatch.setattr(test, "loaded_engine", loaded)
    monkeypatch.setattr(test, "trainable", lambda base: SimpleNamespace(path=base))
    write_json(tmp_path / "choice.json", {"variant": "tiny-r16", "candidate": "f16"})
    parts = {"rows": ROWS[:2], "dev": [Row("d" * 12, {"text": "Straße"}, "no")], "golden": [], "adversarial": []}
    for name, part in parts.items():
        write_rows(tmp_path / name, part)
    given = {name: tmp_path / name for name in (*parts, "gguf", "f16", "adapter")}
    inputs = test.Inputs(**given, choice=tmp_path / "choice.json", models={"tiny": tmp_path})
    params = test.TestParams(prompting=PROMPTING, contract=TEXT, decoding={"max_new_tokens": 4, "sequences": 2})
    out = test.Outputs(**{name: tmp_path / f"out.{name}" for name in test.Outputs.__dataclass_fields__})
    test.run(inputs, params, out)
    found = read_json(out.checks)
    assert (found["rows"], found["tokens"], found["named"]) == (3, 1, ["d" * 12])
