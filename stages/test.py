"""The chosen model and its parents answer the test split, once."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from stages.answers import write_answers
from stages.base import Params, Read, Stage, Write
from stages.base_model import of_variant, trainable
from stages.chat import Prompting
from stages.contract import Contract
from stages.predicting import LIBRARIES, Decoding, ask, loaded_engine, timed
from stages.rows import Row, read_json, read_rows, write_json
from stages.shapes import APART


@dataclass(frozen=True)
class Inputs:
    rows: Annotated[Path, Read("splits.test")]
    golden: Annotated[Path, Read("splits.golden")]
    adversarial: Annotated[Path, Read("splits.adversarial")]
    gguf: Annotated[Path, Read("select.gguf")]
    f16: Annotated[Path, Read("select.f16")]
    adapter: Annotated[Path, Read("select.adapter")]
    choice: Annotated[Path, Read("select.choice")]
    models: Annotated[dict[str, Path], Read("model.base")]


class TestParams(Params):
    prompting: Prompting
    contract: Contract
    decoding: Decoding


@dataclass(frozen=True)
class Outputs:
    tuned: Annotated[Path, Write("tuned.jsonl")]
    f16: Annotated[Path, Write("f16.jsonl")]
    chosen: Annotated[Path, Write("chosen.jsonl")]
    golden: Annotated[Path, Write("golden.jsonl")]
    adversarial: Annotated[Path, Write("adversarial.jsonl")]
    speed: Annotated[Path, Write("speed.json")]


def run(inputs: Inputs, params: TestParams, out: Outputs) -> None:
    """Answer every test row with the tuned weights, the f16 file and the chosen file.

    The chosen file answers one row at a time, as it will be served; its parents answer several together.
    out.*: JSONL of answers in the order of the rows.
    """
    rows, choice = list(read_rows(inputs.rows)), read_json(inputs.choice)
    base = of_variant(choice["variant"], inputs.models)
    params = params.model_copy(update={"prompting": params.prompting.of(choice["variant"])})
    together, alone = params.decoding, params.decoding.model_copy(update={"sequences": 1})
    speeds = {
        "tuned": _answer(trainable(base).path, inputs.adapter, rows, params, together, out.tuned),
        "chosen": _answer(inputs.gguf, None, rows, params, alone, out.chosen),
    }
    if choice["candidate"] == "f16":  # the chosen file is its own parent
        shutil.copyfile(out.chosen, out.f16)
    else:
        speeds["f16"] = _answer(inputs.f16, None, rows, params, together, out.f16)
    for name in APART:  # rows that a release must get right, or that try to break it: the shipped file alone
        beside = list(read_rows(getattr(inputs, name)))
        getattr(out, name).touch()
        if beside:
            _answer(inputs.gguf, None, beside, params, alone, getattr(out, name))
    write_json(out.speed, speeds)


def _answer(
    weights: Path, adapter: Path | None, rows: list[Row], params: TestParams, decoding: Decoding, out: Path
) -> dict[str, float]:
    with loaded_engine(weights, adapter) as engine:
        answered = timed(lambda: ask(engine, rows, params.prompting, params.contract, decoding))
    write_answers(out, answered.answers)
    return answered.speed


STAGE = Stage(
    name="test",
    summary="The chosen file and its parents answer the test split",
    run=run,
    inputs=Inputs,
    params=TestParams,
    outputs=Outputs,
    libraries=LIBRARIES,
)
