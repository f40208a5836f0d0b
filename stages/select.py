"""Every candidate scored on dev, and the one to ship: the smallest file that keeps up with its f16."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from stages.base import File, Key, Params, Read, Stage, Write
from stages.contract import Contract
from stages.counting import counted
from stages.judging import Judged
from stages.rows import read_rows, write_json
from stages.scoring import Yardstick, figures, judged, lead
from stages.trials import smallest, standard_error, within_noise

ChooseBy = Literal["one_standard_error", "best"]


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
    choose_by: Annotated[ChooseBy | None, Key("evaluation.choose_by", swept=True)] = None
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

    Each variant offers the one of its files that params.select says. by_value: the smallest whose primary metric is at
    most `max_drop` below its f16's; smallest_within: the smallest of which the rows surely show that, by the paired
    one-sided bound on the drop; best: the highest value, the smaller of two alike. Of the variants whose f16 is within
    one standard error of the best one, the smallest offer is taken; with `choose_by: best` that of the best one. The
    test split has no part in it.
    """
    rows = list(read_rows(inputs.rows))
    systems = judged(rows, inputs.predictions, params.contract, params.yardstick.terms)
    scores = {name: figures(of, params.yardstick, params.contract) for name, of in systems.items()}
    files = {**{f"{variant}-f16": path for variant, path in inputs.f16.items()}, **inputs.quantized}
    sizes = {name: path.stat().st_size for name, path in files.items()}
    own = {variant: _own(variant, list(inputs.f16), files) for variant in inputs.f16}
    drops = {name: drop for of, names in own.items() for name, drop in _drops(systems, names, f"{of}-f16", params)}
    offers = {
        of: choose(params.select, drops, {name: sizes[name] for name in names}, params.max_drop)
        for of, names in own.items()
    }
    tuned = {name: scores[f"{name}-f16"][params.yardstick.primary] for name in sorted(inputs.f16)}
    variant = choose_variant(tuned, {name: sizes[file] for name, file in offers.items()}, params)
    chosen = offers[variant]
    write_json(out.scores, {"rows": len(rows), "systems": scores})
    candidate = chosen.removeprefix(f"{variant}-")
    write_json(out.choice, {"chosen": chosen, "variant": variant, "candidate": candidate})
    smaller = {name.removeprefix(f"{variant}-"): drops[name] for name in own[variant] if sizes[name] < sizes[chosen]}
    reason = _reason(params, drops[chosen]) + not_shown(params, smaller, len(rows)) + _among(variant, tuned, params)
    write_json(out.reason, {"reason": reason, "bytes": sizes, "drops": {name: drops[name] for name in own[variant]}})
    shutil.copyfile(files[chosen], out.gguf)
    shutil.copyfile(inputs.f16[variant], out.f16)
    shutil.copytree(inputs.adapters[variant], out.adapter)


def _own(variant: str, variants: Iterable[str], files: Iterable[str]) -> list[str]:
    """A variant's files begin with its name, and so do those of a variant with a longer one."""
    longer = tuple(f"{name}-" for name in variants if name.startswith(f"{variant}-"))
    return [name for name in files if name.startswith(f"{variant}-") and not (longer and name.startswith(longer))]


def choose_variant(f16: Mapping[str, Mapping[str, float]], sizes: Mapping[str, int], params: SelectParams) -> str:
    """f16: variant -> {value, low, high} of its f16; sizes: variant -> bytes of what it offers. Ties by name."""
    best = max(f16, key=lambda name: f16[name]["value"])
    if params.choose_by != "one_standard_error":
        return best
    near = within_noise(f16, params.yardstick.confidence)
    return smallest({name: sizes[name] for name in sizes if name in near}, {name: f16[name]["value"] for name in near})


def _among(variant: str, f16: Mapping[str, Mapping[str, float]], params: SelectParams) -> str:
    """Why this variant of a sweep."""
    if len(f16) < 2:
        return ""
    best = max(f16, key=lambda name: f16[name]["value"])
    if variant == best and params.choose_by != "one_standard_error":
        return f"; of {len(f16)} variants the best"
    error, behind = standard_error(f16[best], params.yardstick.confidence), f16[best]["value"] - f16[variant]["value"]
    return f"; of {len(f16)} variants the smallest within one standard error ({error:.3f}) of the best, " + (
        f"which it is {behind:.3f} below" if variant != best else "which it is"
    )


def _drops(
    systems: Mapping[str, Sequence[Judged]], names: Sequence[str], f16: str, params: SelectParams
) -> Iterator[tuple[str, dict[str, float]]]:
    """How far each file is below its f16, pair by pair: {value, low, high, bound}; bound: surely not more than that.
    The f16 is not held against itself: that it drops by nothing is no matter of rows.
    """
    yield f16, dict.fromkeys(("value", "low", "high", "bound"), 0.0)
    for name in names:
        if name == f16:
            continue
        ahead = lead(systems[name], systems[f16], params.yardstick, params.contract)
        turned = {"value": ahead["value"], "low": ahead["high"], "high": ahead["low"], "bound": ahead["bound"]}
        yield name, {end: 0.0 - value for end, value in turned.items()}


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


def not_shown(params: SelectParams, smaller: Mapping[str, Mapping[str, float]], rows: int) -> str:
    """Of the smaller files, those that are near enough by their value, and not surely so."""
    near = {name: drop["bound"] for name, drop in smaller.items() if drop["value"] <= params.max_drop + 1e-12}
    if params.select != "smallest_within" or not near:
        return ""
    named = ", ".join(f"{name} (perhaps {bound:.3f} below)" for name, bound in sorted(near.items()))
    return f"; {counted(rows, 'dev row', 'does', 'do')} not show it of {named}"
