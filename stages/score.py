"""The test answers scored, and every row that a step from tuned to shipped changed between right and wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from stages.base import Params, Read, Stage, Write
from stages.contract import Contract
from stages.judging import Judged
from stages.metrics.exact_match import same
from stages.rows import Row, read_json, read_rows, write_json, write_jsonl
from stages.scoring import Yardstick, figures, judged, lead


@dataclass(frozen=True)
class Inputs:
    rows: Annotated[Path, Read("splits.test")]
    choice: Annotated[Path, Read("select.choice")]
    tuned: Annotated[Path, Read("test.tuned")]
    f16: Annotated[Path, Read("test.f16")]
    chosen: Annotated[Path, Read("test.chosen")]
    baselines: Annotated[dict[str, Path], Read("baseline.predictions")]


class ScoreParams(Params):
    yardstick: Yardstick
    contract: Contract


@dataclass(frozen=True)
class Outputs:
    scores: Annotated[Path, Write("scores.json", "metrics")]
    flips: Annotated[Path, Write("flips.jsonl")]


def run(inputs: Inputs, params: ScoreParams, out: Outputs) -> None:
    """out.scores: {rows, chosen, systems: {name: {metric: figure}}, ahead: {name: figure}}.

    `ahead` is how far the chosen file leads each other system in the primary metric, pair by pair.
    out.flips: JSONL of {id, step, now, input, expected, before, after}.
    """
    rows = list(read_rows(inputs.rows))
    chosen = read_json(inputs.choice)["candidate"]
    chain = {"tuned": inputs.tuned, "f16": inputs.f16, chosen: inputs.chosen}
    systems = judged(rows, {**inputs.baselines, **chain}, params.contract)
    scores = {name: figures(of, params.yardstick, params.contract) for name, of in systems.items()}
    others = [name for name in systems if name != chosen]
    ahead = {name: lead(systems[chosen], systems[name], params.yardstick, params.contract) for name in others}
    write_json(out.scores, {"rows": len(rows), "chosen": chosen, "systems": scores, "ahead": ahead})
    write_jsonl(out.flips, flips(rows, {name: systems[name] for name in chain}))


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
    libraries=("numpy", "jsonschema"),
)
