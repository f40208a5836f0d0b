"""One candidate's answers to the dev split: the tuned weights, the f16 file, or one quantization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from stages.answers import write_answers
from stages.base import At, Made, Params, Read, Stage, Write
from stages.base_model import trainable
from stages.chat import Prompting
from stages.contract import Contract
from stages.engines import llama_cpp, transformers
from stages.predicting import Decoding, ask, loaded_engine, timed
from stages.rows import read_rows, write_json


def _tuned(at: At) -> bool:
    return at.candidate == "tuned"


@dataclass(frozen=True)
class Inputs:
    """Either `gguf`, or the base model of `model` with `adapter` on top."""

    rows: Annotated[Path, Read("splits.dev")]
    gguf: Annotated[
        Path | None,
        Read("quantize.gguf", when=lambda at: at.quantization is not None),
        Read("export.f16", when=lambda at: at.candidate == "f16"),
    ] = None
    adapter: Annotated[Path | None, Read("train.adapter", when=_tuned)] = None
    model: Annotated[Path | None, Read("model.base", when=_tuned)] = None


class PredictParams(Params):
    prompting: Prompting
    contract: Contract
    decoding: Decoding


@dataclass(frozen=True)
class Outputs:
    predictions: Annotated[Path, Write("predictions.jsonl")]
    speed: Annotated[Path, Write("speed.json")]


def run(inputs: Inputs, params: PredictParams, out: Outputs) -> None:
    """Answer every dev row, greedily. out.predictions: JSONL of answers in the order of the rows."""
    weights = inputs.gguf or trainable(_given(inputs.model)).path
    rows = list(read_rows(inputs.rows))
    with loaded_engine(weights, inputs.adapter) as engine:
        answered = timed(lambda: ask(engine, rows, params.prompting, params.contract, params.decoding))
    write_answers(out.predictions, answered.answers, params.contract.digest)
    write_json(out.speed, answered.speed)


def _given(path: Path | None) -> Path:
    if path is None:
        raise RuntimeError("the plan gave this instance neither a GGUF file nor a base model")
    return path


def _made(at: At, params: Mapping[str, Any]) -> Made:
    """A GGUF file is answered for by llama.cpp alone, the tuned weights by transformers."""
    if _tuned(at):
        return Made("predict-tuned", (*transformers.LIBRARIES, "jinja2"), never=(llama_cpp.__name__,))
    return Made("predict-gguf", (*llama_cpp.LIBRARIES, "jinja2"), never=(transformers.__name__,))


STAGE = Stage(
    name="predict",
    summary="Answers the dev split",
    run=run,
    inputs=Inputs,
    params=PredictParams,
    outputs=Outputs,
    per="candidate",
    made=_made,
)
