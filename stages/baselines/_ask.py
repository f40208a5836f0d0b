"""What a baseline is asked with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stages import gguf_header
from stages.answers import Answer
from stages.base_model import Located, locate
from stages.chat import Prompting
from stages.contract import Contract
from stages.predicting import Decoding, ask, open_engine
from stages.quantize import unpack
from stages.rows import Row


@dataclass(frozen=True)
class Question:
    """The rows to answer, and what may be looked at. `train` streams the train split; `options` are task.yaml's."""

    rows: Sequence[Row]
    train: Callable[[], Iterator[Row]]
    contract: Contract
    prompting: Prompting
    decoding: Decoding
    model: Path | None
    options: Any


def ask_base_model(question: Question, prompting: Prompting) -> Iterator[Answer]:
    """The untuned base model's answers to these prompts, under the contract's grammar."""
    if question.model is None:
        raise ValueError("a baseline that asks the base model is declared without needs_model")
    with TemporaryDirectory() as scratch, closing(open_engine(_quick(locate(question.model), Path(scratch)))) as engine:
        yield from ask(engine, question.rows, prompting, question.contract, question.decoding)


def _quick(base: Located, scratch: Path) -> Path:
    """The model's own file, or f16 of it where llama.cpp has no quick kernel for its type: q4_1 and q5_1 answer several
    rows at once half as fast as f16 does. The weights change by the rounding to f16 alone.
    """
    if not base.gguf or not {tensor.type for tensor in gguf_header.read(base.path).tensors} & {3, 7}:
        return base.path
    unpack(base.path, scratch / "f16.gguf")
    return scratch / "f16.gguf"
