"""The chosen model and its parents answer the test split, once."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from stages.answers import Engine, write_answers
from stages.base import Key, Params, Read, Stage, Write
from stages.base_model import of_variant, trainable
from stages.chat import Prompting
from stages.contract import Contract
from stages.exported import Seen, compared, seen
from stages.peaks import watched
from stages.predicting import LIBRARIES, Decoding, ask, latencies, loaded_engine, timed
from stages.rows import Row, read_json, read_rows, write_json
from stages.shapes import APART


@dataclass(frozen=True)
class Inputs:
    rows: Annotated[Path, Read("splits.test")]
    dev: Annotated[Path, Read("splits.dev")]
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
    latency: Annotated[bool, Key("evaluation.latency")] = False


@dataclass(frozen=True)
class Outputs:
    """together: the chosen file's answers with several rows decoded at once, where that was asked for; else empty."""

    tuned: Annotated[Path, Write("tuned.jsonl")]
    f16: Annotated[Path, Write("f16.jsonl")]
    chosen: Annotated[Path, Write("chosen.jsonl")]
    together: Annotated[Path, Write("together.jsonl")]
    golden: Annotated[Path, Write("golden.jsonl")]
    adversarial: Annotated[Path, Write("adversarial.jsonl")]
    checks: Annotated[Path, Write("checks.json", "metrics")]
    speed: Annotated[Path, Write("speed.json")]


def run(inputs: Inputs, params: TestParams, out: Outputs) -> None:
    """Answer every test row with the tuned weights, the f16 file and the chosen file.

    The chosen file answers one row at a time, as it will be served; its parents answer several together.
    out.*: JSONL of answers in the order of the rows. out.checks: whether the export changed template, stop, or the
    token ids of a test or dev row.
    """
    rows, choice = list(read_rows(inputs.rows)), read_json(inputs.choice)
    base = of_variant(choice["variant"], inputs.models)
    params = params.model_copy(update={"prompting": params.prompting.of(choice["variant"])})
    together, alone = params.decoding, params.decoding.model_copy(update={"sequences": 1})
    asking = _Asking(rows, params, [*rows, *read_rows(inputs.dev)])
    speeds = {
        "tuned": asking.answers("tuned", trainable(base).path, inputs.adapter, together, out.tuned),
        "chosen": asking.answers("chosen", inputs.gguf, None, alone, out.chosen),
    }
    if choice["candidate"] == "f16":  # the chosen file is its own parent
        shutil.copyfile(out.chosen, out.f16)
    else:
        speeds["f16"] = asking.answers("f16", inputs.f16, None, together, out.f16)
    out.together.touch()
    if params.latency:
        speeds["together"] = asking.answers("together", inputs.gguf, None, together, out.together)
    for name in APART:  # rows that a release must get right, or that try to break it: the shipped file alone
        beside = list(read_rows(getattr(inputs, name)))
        getattr(out, name).touch()
        if beside:
            _Asking(beside, params).answers(name, inputs.gguf, None, alone, getattr(out, name))
    write_json(out.checks, compared(asking.seen["tuned"], asking.seen["chosen"]))
    write_json(out.speed, speeds)


class _Asking:
    """Asks several weights for the answers to the same rows, and keeps what each makes of the prompts of `read`."""

    def __init__(self, rows: list[Row], params: TestParams, read: Sequence[Row] = ()) -> None:
        self.rows, self.params, self.read = rows, params, read
        self.seen: dict[str, Seen] = {}

    def answers(
        self, name: str, weights: Path, adapter: Path | None, decoding: Decoding, out: Path
    ) -> Mapping[str, Any]:
        """Write the answers; gives how quick they came."""
        memory = watched() if self.params.latency else lambda: None
        with loaded_engine(weights, adapter) as engine:
            self.seen[name] = seen(engine, self.read, self.params.prompting, self.params.contract)
            answered = timed(lambda: self._ask(engine, decoding, name))
            slow = latencies(engine) if self.params.latency else {}
            if (peak := memory()) is not None:
                slow["peak_memory_bytes"] = float(peak)
        write_answers(out, answered.answers, self.params.contract.digest)
        return answered.speed | slow

    def _ask(self, engine: Engine, decoding: Decoding, who: str) -> Any:
        return ask(engine, self.rows, self.params.prompting, self.params.contract, decoding, who)


STAGE = Stage(
    name="test",
    summary="The chosen file and its parents answer the test split",
    run=run,
    inputs=Inputs,
    params=TestParams,
    outputs=Outputs,
    libraries=LIBRARIES,
)
