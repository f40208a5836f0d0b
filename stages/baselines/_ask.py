"""What a baseline is asked with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stages import gguf_header
from stages.answers import Answer, Engine
from stages.base_model import Located, locate
from stages.chat import Prompting
from stages.contract import Contract
from stages.predicting import Decoding, ask, loaded_engine
from stages.requantizing import unpack
from stages.rows import Row


@dataclass(frozen=True)
class Question:
    """The rows to answer, and what may be looked at. `train` streams the train split; `options` are task.yaml's.

    engine: the base model's, for a baseline with needs_model. prompting, decoding: None where the baseline settled them
    so.
    """

    rows: Sequence[Row]
    train: Callable[[], Iterator[Row]]
    contract: Contract
    prompting: Prompting | None
    decoding: Decoding | None
    engine: Engine | None
    options: Any


def ask_base_model(question: Question) -> Iterator[Answer]:
    """The untuned base model's answers to the question's prompts, under the contract's grammar."""
    engine, prompting, decoding = question.engine, question.prompting, question.decoding
    if engine is None or prompting is None or decoding is None:
        raise ValueError("a baseline that asks the base model is declared without needs_model, or settled its prompt")
    return ask(engine, question.rows, prompting, question.contract, decoding)


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
