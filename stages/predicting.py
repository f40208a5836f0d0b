"""Ask weights for the answers to rows: templates in, engine out. Used by predict, baseline and test alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Annotated, Literal

from stages import parts, progress
from stages.answers import Answer, Engine
from stages.base import Key, Params
from stages.chat import Prompt, Prompting, user_message
from stages.contract import Contract
from stages.engines import llama_cpp, transformers
from stages.pace import interval
from stages.rows import Row

LIBRARIES = (*llama_cpp.LIBRARIES, *transformers.LIBRARIES, "jinja2")  # what asking computes with, whichever the engine


class Decoding(Params):
    """How an engine decodes. Always greedy, so that the same bytes give the same answers."""

    max_new_tokens: Annotated[int, Key("evaluation.max_new_tokens")]
    sequences: Annotated[int, Key("evaluation.sequences")]
    decoding: Annotated[Literal["auto", "constrained", "free", "likelihood"], Key("evaluation.decoding")] = "auto"
    pairs: Annotated[bool, Key("evaluation.pairs")] = False


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
    engine: Engine,
    rows: Sequence[Row],
    prompting: Prompting,
    contract: Contract,
    decoding: Decoding,
    who: str = "",
) -> Iterator[Answer]:
    """Answers in the order of the rows. Under the contract's grammar where the engine knows grammars (llama.cpp).

    who: the engine's name, where a stage asks several.
    """
    template, system = engine.chat_template(), prompting.system(contract)
    prompts = [template.prompt(row.id, system, user_message(prompting.input_template, row.input)) for row in rows]
    answers = answered(engine, prompts, contract, decoding, who)
    return _with_margins(engine, rows, prompts, answers, contract) if decoding.pairs else answers


def answered(
    engine: Engine, prompts: Sequence[Prompt], contract: Contract, decoding: Decoding, who: str = ""
) -> Iterator[Answer]:
    """Answers to prompts that are made already; a run that was cut off goes on where it was."""

    def asked(part: Sequence[Prompt]) -> Iterator[Answer]:
        if decoding.decoding == "likelihood":
            return engine.label(part, contract.labels, sequences=decoding.sequences)
        return engine.answer(
            part,
            max_new_tokens=decoding.max_new_tokens,
            grammar=None if decoding.decoding == "free" else contract.grammar(),
            hopeless=contract.hopeless,
            sequences=decoding.sequences,
        )

    return parts.in_parts(prompts, parts.size(decoding.sequences), asked, [who, decoding.model_dump()])


def _with_margins(
    engine: Engine, rows: Sequence[Row], prompts: Sequence[Prompt], answers: Iterator[Answer], contract: Contract
) -> Iterator[Answer]:
    """The same answers; those to rows with a worse answer also say how much likelier the right one is."""
    pairs = {
        row.id: (contract.spell(row.output), contract.spell(row.rejected)) for row in rows if row.rejected is not None
    }
    given = list(answers)
    asked = [prompt for prompt in prompts if prompt.id in pairs]
    margins = engine.margins(asked, [pairs[prompt.id] for prompt in asked])
    found = {prompt.id: round(margin, 6) for prompt, margin in zip(asked, margins, strict=True)}
    yield from (replace(answer, margin=found.get(answer.id)) for answer in given)


@dataclass(frozen=True)
class Answered:
    """A system's answers to a split, and how long it took. Loading is not counted: see `loaded_engine`.

    moments: seconds from the beginning to each answer, as they came; empty where nothing told of them, and fewer than
    answers where some were kept from a run that was cut off.
    """

    answers: list[Answer]
    seconds: float
    moments: tuple[float, ...] = ()

    @property
    def speed(self) -> dict[str, float]:
        """A measurement, so it differs from run to run: it is kept apart from everything that decides."""
        told = 0 < len(self.moments) <= len(self.answers)
        seconds = max(self.moments[-1] if told else self.seconds, 1e-9)  # what comes after them is no answering
        tokens = sum(answer.tokens for answer in self.answers) / max(1, len(self.answers))
        pace = (len(self.moments) if told else len(self.answers)) / seconds
        speed = {"rows_per_second": pace, "tokens_per_second": tokens * pace}
        if told and (found := interval(self.moments)):
            speed["rows_per_second_low"], speed["rows_per_second_high"] = found
        return speed


def latencies(engine: Engine) -> dict[str, float]:
    """Seconds an answer took, where they came one at a time: median and 95th percentile."""
    seconds = sorted(getattr(engine, "seconds", ()))
    if not seconds:
        return {}
    p50, p95 = (seconds[min(len(seconds) - 1, int(share * len(seconds)))] for share in (0.5, 0.95))
    return {"latency_p50": p50, "latency_p95": p95}


def timed(answers: Callable[[], Iterable[Answer]]) -> Answered:
    """Take them all, and the time. An engine tells of each as it is done, which need not be their order; who has to
    learn or to load first tells when that is over, and the time begins there.
    """
    started, moments = perf_counter(), list[float]()

    def heard(done: int, total: int | None, note: str) -> None:
        nonlocal started
        if note == progress.READY:
            started = perf_counter()
            moments.clear()
        if note == progress.ANSWERED:
            moments.append(perf_counter() - started)

    with progress.overheard(heard):
        found = list(answers())
    return Answered(found, perf_counter() - started, tuple(moments))
