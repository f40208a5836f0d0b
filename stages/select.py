"""Every candidate scored on dev, and the one to ship: the smallest file that keeps up with its f16."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from stages.base import File, Key, Params, Read, Stage, Write
from stages.contract import Contract
from stages.judging import Judged
from stages.rows import read_rows, write_json
from stages.scoring import Yardstick, figures, judged, lead


@dataclass(frozen=True)
class Inputs:
    """Dicts from label to path: `MODEL-rR-CANDIDATE` for predictions, `MODEL-rR` for f16, adapters; the same order."""

    rows: Annotated[Path, Read("splits.dev")]
    predictions: Annotated[dict[str, Path], Read("predict.predictions")]
    quantized: Annotated[dict[str, Path], Read("quantize.gguf")]
    f16: Annotated[dict[str, Path], Read("export.f16")]
    adapters: Annotated[dict[str, Path], Read("train.adapter")]
    code: Annotated[tuple[Path, ...] | None, File("brought.metrics")] = None


class SelectParams(Params):
    yardstick: Yardstick
    max_drop: Annotated[float, Key("quantization.max_drop")]
    select: Annotated[Literal["by_value", "smallest_within", "best"], Key("quantization.select")] = "by_value"
    contract: Contract


@dataclass(frozen=True)
class Outputs:
    """The chosen file, what it was made of, and why it was chosen.

    choice holds what `test` needs and no more: another reason for the same choice asks no model again.
    """

    scores: Annotated[Path, Write("scores.json", "metrics")]
    choice: Annotated[Path, Write("choice.json")]
    reason: Annotated[Path, Write("reason.json")]
    gguf: Annotated[Path, Write("model.gguf")]
    f16: Annotated[Path, Write("f16.gguf")]
    adapter: Annotated[Path, Write("adapter", "folder")]


def run(inputs: Inputs, params: SelectParams, out: Outputs) -> None:
    """Score everything on dev, choose, and set the chosen bytes apart for the stages after.

    The variant whose f16 scores best is taken; of its files, the one that params.select says:
    by_value: the smallest whose primary metric is at most `max_drop` below the f16's; smallest_within: the smallest of
    which the rows surely show that, by the paired one-sided bound on the drop; best: the highest value, the smaller of
    two alike. The test split has no part in it.
    """
    rows = list(read_rows(inputs.rows))
    systems = judged(rows, inputs.predictions, params.contract, params.yardstick.terms)
    scores = {name: figures(of, params.yardstick, params.contract) for name, of in systems.items()}
    files = {**{f"{variant}-f16": path for variant, path in inputs.f16.items()}, **inputs.quantized}
    sizes = {name: path.stat().st_size for name, path in files.items()}
    primary = {name: scores[name][params.yardstick.primary]["value"] for name in files}
    variant = max(sorted(inputs.f16), key=lambda name: primary[f"{name}-f16"])
    own = [name for name in files if name.startswith(f"{variant}-")]
    drops = _drops(systems, own, f"{variant}-f16", params)
    chosen = choose(params.select, drops, {name: sizes[name] for name in own}, params.max_drop)
    write_json(out.scores, {"rows": len(rows), "systems": scores})
    candidate = chosen.removeprefix(f"{variant}-")
    write_json(out.choice, {"chosen": chosen, "variant": variant, "candidate": candidate})
    reason = _reason(params, drops[chosen])
    write_json(out.reason, {"reason": reason, "bytes": sizes, "drops": drops})
    shutil.copyfile(files[chosen], out.gguf)
    shutil.copyfile(inputs.f16[variant], out.f16)
    shutil.copytree(inputs.adapters[variant], out.adapter)


def _drops(
    systems: Mapping[str, Sequence[Judged]], names: Sequence[str], f16: str, params: SelectParams
) -> dict[str, dict[str, float]]:
    """How far each file is below its f16, pair by pair: {value, low, high, bound}; bound: surely not more than that."""
    found = {}
    for name in names:
        ahead = lead(systems[name], systems[f16], params.yardstick, params.contract)
        turned = {"value": ahead["value"], "low": ahead["high"], "high": ahead["low"], "bound": ahead["bound"]}
        found[name] = {end: 0.0 - value for end, value in turned.items()}
    return found


def choose(how: str, drops: Mapping[str, Mapping[str, float]], sizes: Mapping[str, int], max_drop: float) -> str:
    """The name of the file to ship; ties by name. The f16 drops by nothing, so there always is one."""
    if how == "best":
        return min(sizes, key=lambda name: (drops[name]["value"], sizes[name], name))
    end = "bound" if how == "smallest_within" else "value"
    near = [name for name in sizes if drops[name][end] <= max_drop + 1e-12]
    return min(near, key=lambda name: (sizes[name], name))


def _reason(params: SelectParams, drop: Mapping[str, Any]) -> str:
    metric, value = params.yardstick.primary, drop["value"]
    place = f"{abs(value):.3f} {'below' if value > 0 else 'above'} it" if round(value, 3) else "equal to it"
    if params.select == "best":
        return f"the file of the highest {metric} on dev: against the f16's, {place}"
    if params.select == "smallest_within":
        sure = f"surely at most {params.max_drop:g} below the f16's"
        return f"the smallest file whose {metric} on dev is {sure}: {place}, and at most {max(0.0, drop['bound']):.3f}"
    return f"the smallest file whose {metric} on dev is at most {params.max_drop:g} below the f16's: {place}"


STAGE = Stage(
    name="select",
    summary="Scores every candidate on dev and chooses the smallest that keeps up with its f16",
    run=run,
    inputs=Inputs,
    params=SelectParams,
    outputs=Outputs,
    libraries=("numpy", "jsonschema", "rouge-score", "sacrebleu", "scipy"),
)
