"""What a baseline is asked with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stages import gguf_header
from stages.answers import Answer, Engine
from stages.base_model import Located, locate
from stages.chat import Prompt, Prompting, user_message
from stages.contract import Contract
from stages.predicting import Decoding, answered, ask, loaded_engine
from stages.requantizing import unpack
from stages.rows import Row


@dataclass(frozen=True)
class Question:
    """The rows to answer, and what may be looked at. `train` streams the train split; `options` are task.yaml's.

    engine: the base model's, for a baseline with needs_model; model: the folder that it was pinned in. prompting,
    decoding: None where the baseline settled them so. files: those that the options name. measured: what a baseline has
    to say of its cost, put there by itself.
    """

    rows: Sequence[Row]
    train: Callable[[], Iterator[Row]]
    contract: Contract
    prompting: Prompting | None
    decoding: Decoding | None
    engine: Engine | None
    options: Any
    model: Path | None = None
    files: tuple[Path, ...] = ()
    measured: dict[str, float] = field(default_factory=dict)

    def message(self, row: Row) -> str:
        """The user's message of a row."""
        if self.prompting is None:
            raise ValueError("the message is made by `prompting`, which this baseline settled away")
        return user_message(self.prompting.input_template, row.input)

    def learned(self) -> list[Row]:
        """The train rows that have a right answer."""
        return [row for row in self.train() if row.answered]


def ask_base_model(question: Question) -> Iterator[Answer]:
    """The untuned base model's answers to the question's prompts, under the contract's grammar."""
    engine, prompting, decoding = question.engine, question.prompting, question.decoding
    if engine is None or prompting is None or decoding is None:
        raise ValueError("a baseline that asks the base model is declared without needs_model, or settled its prompt")
    return ask(engine, question.rows, prompting, question.contract, decoding)


def ask_with(
    question: Question,
    messages: Sequence[str],
    shots: Sequence[Sequence[tuple[str, str]]],
    passages: Sequence[Sequence[str]] | None = None,
) -> Iterator[Answer]:
    """The base model's answers to messages with examples, or with passages, before them, as many as fit."""
    engine, prompting, decoding = question.engine, question.prompting, question.decoding
    if engine is None or prompting is None or decoding is None:
        raise ValueError("a baseline that asks the base model is declared without needs_model, or settled its prompt")
    template, system = engine.chat_template(), prompting.system(question.contract)
    room = engine.context() - decoding.max_new_tokens
    prompts = []
    for row, message, examples, found in zip(
        question.rows, messages, shots, passages or [()] * len(messages), strict=True
    ):

        def made(
            kept: int, id: str = row.id, message: str = message, examples: Any = examples, found: Any = found
        ) -> Prompt:
            near = examples[max(0, len(examples) - kept) :] if kept else []
            told = "\n\n".join([*found[:kept], message])
            return template.prompt(id, system, told, near)

        most = max(len(examples), len(found))
        fitting = (p for kept in range(most, 0, -1) if engine.count_tokens((p := made(kept)).text) <= room)
        prompts.append(next(fitting, None) or made(0))
    return answered(engine, prompts, question.contract, decoding)


@contextmanager
def opened(gguf: Path) -> Iterator[Engine]:
    """A GGUF file of the workspace, loaded."""
    with loaded_engine(gguf) as engine:
        yield engine


@contextmanager
def base_model_engine(model: Path | None) -> Iterator[Engine | None]:
    """The engine of the base model that was pinned in the folder `model`, loaded; None without a model."""
    if model is None:
        yield None
        return
    with TemporaryDirectory() as scratch, loaded_engine(_quick(locate(model), Path(scratch))) as engine:
        yield engine


def _quick(base: Located, scratch: Path) -> Path:
    """The model's own file, or f16 of it where llama.cpp has no quick kernel for its type: q4_1 and q5_1 answer several
    rows at once half as fast as f16 does. The weights change by the rounding to f16 alone.
    """
    if not base.gguf or not {tensor.type for tensor in gguf_header.read(base.path).tensors} & {3, 7}:
        return base.path
    unpack(base.path, scratch / "f16.gguf")
    return scratch / "f16.gguf"
