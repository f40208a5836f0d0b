"""Ask weights for the answers to rows: templates in, engine out. Used by predict, baseline and test alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Literal

from stages.answers import Answer, Engine
from stages.base import Key, Params
from stages.chat import Prompting, user_message
from stages.contract import Contract
from stages.engines import llama_cpp, transformers
from stages.rows import Row

LIBRARIES = (*llama_cpp.LIBRARIES, *transformers.LIBRARIES, "jinja2")  # what asking computes with, whichever the engine


class Decoding(Params):
    """How an engine decodes. Always greedy, so that the same bytes give the same answers."""

    max_new_tokens: Annotated[int, Key("evaluation.max_new_tokens")]
    sequences: Annotated[int, Key("evaluation.sequences")]
    decoding: Annotated[Literal["auto", "constrained", "free"], Key("evaluation.decoding")] = "auto"


def open_engine(weights: Path, adapter: Path | None = None) -> Engine:
    """llama.cpp for a GGUF file; transformers for a folder, or for anything with an adapter on top."""
    if adapter is None and weights.suffix == ".gguf":
        return llama_cpp.LlamaCpp(weights)
    return transformers.Transformers(weights, adapter)


@contextmanager
def loaded_engine(weights: Path, adapter: Path | None = None) -> Iterator[Engine]:
    """The engine with its weights read, so that what is timed from here on is answering alone; closed at the end."""
    with closing(open_engine(weights, adapter)) as engine:
        engine.load()
        yield engine


def ask(
    engine: Engine, rows: Sequence[Row], prompting: Prompting, contract: Contract, decoding: Decoding
) -> Iterator[Answer]:
    """Answers in the order of the rows. Under the contract's grammar where the engine knows grammars (llama.cpp)."""
    template, system = engine.chat_template(), prompting.system(contract)
    return engine.answer(
        [template.prompt(row.id, system, user_message(prompting.input_template, row.input)) for row in rows],
        max_new_tokens=decoding.max_new_tokens,
        grammar=None if decoding.decoding == "free" else contract.grammar(),
        hopeless=contract.hopeless,
        sequences=decoding.sequences,
    )


@dataclass(frozen=True)
class Answered:
    """A system's answers to a split, and how long it took. Loading is not counted: see `loaded_engine`."""

    answers: list[Answer]
    seconds: float

    @property
    def speed(self) -> dict[str, float]:
        """A measurement, so it differs from run to run: it is kept apart from everything that decides."""
        seconds, tokens = max(self.seconds, 1e-9), sum(answer.tokens for answer in self.answers)
        return {"rows_per_second": len(self.answers) / seconds, "tokens_per_second": tokens / seconds}


def timed(answers: Callable[[], Iterable[Answer]]) -> Answered:
    started = perf_counter()
    return Answered(list(answers()), perf_counter() - started)
