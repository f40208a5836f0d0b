"""What does not need our training: its answers to the test split, once and for all.

Only the test split: dev is there to choose among candidates, and a baseline is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from stages.answers import write_answers
from stages.base import At, Coordinate, File, Key, Made, Params, Read, Stage, Write
from stages.baselines._ask import Question, base_model_engine
from stages.catalog import Baseline, members
from stages.chat import Prompting
from stages.contract import Contract
from stages.predicting import LIBRARIES, Decoding, timed
from stages.rows import read_rows, write_json


def _kind(name: str) -> Baseline:
    return members("stages.baselines", "BASELINE", Baseline)[name]


def _needs_train(at: At) -> bool:
    return _kind(str(at.baseline)).needs_train


def _needs_model(at: At) -> bool:
    return _kind(str(at.baseline)).needs_model


@dataclass(frozen=True)
class Inputs:
    rows: Annotated[Path, Read("splits.test")]
    train: Annotated[Path | None, Read("splits.train", when=_needs_train)] = None
    model: Annotated[Path | None, Read("model.base", when=_needs_model)] = None
    files: Annotated[tuple[Path, ...] | None, File("brought.baseline_{baseline}")] = None


class BaselineParams(Params):
    baseline: Annotated[str, Coordinate("baseline")]
    options: Annotated[Any, Key("baselines.{baseline}")]
    prompting: Prompting | None
    contract: Contract
    decoding: Decoding | None


@dataclass(frozen=True)
class Outputs:
    predictions: Annotated[Path, Write("predictions.jsonl")]
    speed: Annotated[Path, Write("speed.json")]


def run(inputs: Inputs, params: BaselineParams, out: Outputs) -> None:
    """Answer every test row; nothing is learned from them.

    out.predictions: JSONL of answers in the order of the rows.
    """
    kind = _kind(params.baseline)
    with base_model_engine(None if kind.embeds else inputs.model) as engine:
        question = Question(
            rows=list(read_rows(inputs.rows)),
            train=lambda: (row for row in read_rows(inputs.train) if row.answered) if inputs.train else iter(()),
            contract=params.contract,
            prompting=params.prompting,
            decoding=params.decoding,
            engine=engine,
            options=params.options,
            model=inputs.model,
            files=inputs.files or (),
        )
        answered = timed(lambda: kind.answer(question))
    write_answers(out.predictions, answered.answers, params.contract.digest)
    write_json(out.speed, answered.speed | question.measured)


def _made(at: At, params: Mapping[str, Any]) -> Made:
    """Its own module, not those of all baselines; and no engine, unless it asks the base model."""
    kind = _kind(str(at.baseline))
    asking = () if kind.needs_model else ("stages.engines", "stages.requantizing", "stages.gguf_header")
    libraries = (*LIBRARIES, *kind.libraries) if kind.needs_model else kind.libraries
    return Made(f"baseline-{kind.name}", libraries, asking, (kind.answer.__module__,))


STAGE = Stage(
    name="baseline",
    summary="Answers the test split without our training",
    run=run,
    inputs=Inputs,
    params=BaselineParams,
    outputs=Outputs,
    per="baseline",
    made=_made,
    settled=lambda at: _kind(str(at.baseline)).settled,
)
