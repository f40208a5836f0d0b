"""The test answers scored, and every row that a step from tuned to shipped changed between right and wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from stages.base import File, Key, Params, Read, Stage, Write
from stages.contract import Contract
from stages.judging import Judged
from stages.metrics.exact_match import same
from stages.remembering import recall
from stages.rows import Row, read_json, read_jsonl, read_rows, write_json, write_jsonl
from stages.scoring import Yardstick, figures, judged, lead
from stages.shapes import APART

SLICE_VALUES = 50  # that a slice reports at most


@dataclass(frozen=True)
class Inputs:
    rows: Annotated[Path, Read("splits.test")]
    choice: Annotated[Path, Read("select.choice")]
    tuned: Annotated[Path, Read("test.tuned")]
    f16: Annotated[Path, Read("test.f16")]
    chosen: Annotated[Path, Read("test.chosen")]
    baselines: Annotated[dict[str, Path], Read("baseline.predictions")]
    golden_rows: Annotated[Path, Read("splits.golden")]
    golden: Annotated[Path, Read("test.golden")]
    adversarial_rows: Annotated[Path, Read("splits.adversarial")]
    adversarial: Annotated[Path, Read("test.adversarial")]
    remembered: Annotated[Path | None, File("evaluation.remembered")] = None


class ScoreParams(Params):
    slices: Annotated[tuple[str, ...], Key("evaluation.slices")]
    yardstick: Yardstick
    contract: Contract


@dataclass(frozen=True)
class Outputs:
    scores: Annotated[Path, Write("scores.json", "metrics")]
    flips: Annotated[Path, Write("flips.jsonl")]


def run(inputs: Inputs, params: ScoreParams, out: Outputs) -> None:
    """out.scores: {rows, chosen, systems: {name: {metric: figure}}, ahead: {name: figure}, beside, slices}.

    `ahead` is how far the chosen file leads each other system in the primary metric, pair by pair. `beside`: the chosen
    file on the golden and adversarial rows. `slices`: on each part of the test rows, {slice: {value: {rows, figure}}}.
    `remembered`: of the rows that an earlier release got right, see stages.remembering.
    out.flips: JSONL of {id, step, now, input, expected, before, after}.
    """
    rows = list(read_rows(inputs.rows))
    chosen = read_json(inputs.choice)["candidate"]
    chain = {"tuned": inputs.tuned, "f16": inputs.f16, chosen: inputs.chosen}
    systems = judged(rows, {**inputs.baselines, **chain}, params.contract)
    scores = {name: figures(of, params.yardstick, params.contract) for name, of in systems.items()}
    others = [name for name in systems if name != chosen]
    ahead = {name: lead(systems[chosen], systems[name], params.yardstick, params.contract) for name in others}
    report = {"rows": len(rows), "chosen": chosen, "systems": scores, "ahead": ahead}
    beside = {name: found for name in APART if (found := _beside(inputs, name, params))}
    report |= _remembered(inputs, systems[chosen], params)
    write_json(out.scores, report | {"beside": beside, "slices": _slices(rows, systems[chosen], params)})
    write_jsonl(out.flips, flips(rows, {name: systems[name] for name in chain}))


def _beside(inputs: Inputs, name: str, params: ScoreParams) -> dict[str, Any] | None:
    """The chosen file's figures on rows that stand apart from the test split; None where there are none."""
    answers = _answers_apart(inputs, name, params)
    if not answers:
        return None
    return {"rows": len(answers), "figures": figures(answers, params.yardstick, params.contract)}


def _answers_apart(inputs: Inputs, name: str, params: ScoreParams) -> Sequence[Judged]:
    rows = list(read_rows(getattr(inputs, f"{name}_rows")))
    return judged(rows, {name: getattr(inputs, name)}, params.contract)[name] if rows else ()


def _remembered(inputs: Inputs, answers: Sequence[Judged], params: ScoreParams) -> dict[str, Any]:
    """What became of the rows that a release must get right again, wherever they stand but in train and dev."""
    if inputs.remembered is None:
        return {}
    apart = [answer for name in APART for answer in _answers_apart(inputs, name, params)]
    return {"remembered": recall(read_jsonl(inputs.remembered), [*answers, *apart])}


def _slices(rows: Sequence[Row], answers: Sequence[Judged], params: ScoreParams) -> dict[str, Any]:
    """The primary metric for each value of each slice; of a slice with many values, those that most rows have."""
    found: dict[str, Any] = {}
    for name in params.slices:
        parts: dict[str, list[Judged]] = defaultdict(list)
        for row, answer in zip(rows, answers, strict=True):
            for value in row.tags if name == "tags" else (str(row.input.get(name)),):
                parts[value].append(answer)
        most = sorted(parts, key=lambda value: (-len(parts[value]), value))[:SLICE_VALUES]
        found[name] = {value: _figure(parts[value], params) for value in most}
    return found


def _figure(answers: Sequence[Judged], params: ScoreParams) -> dict[str, Any]:
    return {
        "rows": len(answers),
        **figures(answers, params.yardstick, params.contract)[params.yardstick.primary],
    }


def flips(rows: Sequence[Row], chain: Mapping[str, Sequence[Judged]]) -> Iterator[dict[str, Any]]:
    """Rows that are right on one side of a step and wrong on the other, step by step."""
    for (before, left), (after, right) in pairwise(chain.items()):
        for row, a, b in zip(rows, left, right, strict=True):
            was, now = same(a.gold, a.said), same(b.gold, b.said)
            if was != now:
                yield {
                    "id": row.id,
                    "step": f"{before} -> {after}",
                    "now": "right" if now else "wrong",
                    "input": row.input,
                    "expected": row.output,
                    "before": a.text,
                    "after": b.text,
                }


STAGE = Stage(
    name="score",
    summary="Scores the test answers; lists the rows that a step from tuned to shipped changed",
    run=run,
    inputs=Inputs,
    params=ScoreParams,
    outputs=Outputs,
    libraries=("numpy", "jsonschema", "rouge-score", "sacrebleu"),
)
