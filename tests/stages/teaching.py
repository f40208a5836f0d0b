"""Rows of every shape for the tiny model, and the train stage run on them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from stages import model as model_stage
from stages import train as stage
from stages.base_model import BaseModel
from stages.catalog import Adapter, Method, members
from stages.lessons import TrainParams
from stages.rows import Row, write_rows
from stages.train import Inputs, Outputs
from tests.stages.test_train import row

METHODS = members("stages.methods", "METHOD", Method)
ADAPTERS = members("stages.adapters", "ADAPTER", Adapter)
LABELS = {"type": "label", "schema_": {"enum": ["yes", "no"]}}
OWN: dict[str, dict[str, Any]] = {
    "dpo": {"beta": 0.1},
    "orpo": {"beta": 0.1},
    "kto": {"beta": 0.3},
    "grpo": {
        "batch_size": 8,
        "epochs": 4.0,
        "generations": 8,
        "max_new_tokens": 3,
        "reward": "accuracy",
        "contract": LABELS,
    },
}
Learn = Callable[..., Outputs]
Start = Callable[[str], Path]


def taught(method: str, n: int) -> Row:
    """A train row of the shape that a method reads."""
    plain = row(n)
    match METHODS[method].rows:
        case "pairs":
            return replace(plain, rejected={"people": "9", "time": "noon"} if n % 2 else "I do not know.")
        case "verdicts":
            return plain if n % 2 else replace(plain, output=None, rejected="I do not know.")
        case "texts":
            return Row(plain.id, {}, None, text=f"{plain.input['text']} {json.dumps(plain.output)}")
    return replace(plain, output="yes") if method == "grpo" else plain


def asked_of(method: str, n: int) -> Row:
    """A dev row."""
    return taught(method, n) if METHODS[method].rows == "pairs" or method == "grpo" else row(n)


def pinned(folder: Path, into: Path) -> Path:
    """A base model as the `model` stage leaves it."""
    out = model_stage.Outputs(into / "base", into / "facts.json")
    into.mkdir()
    spec = BaseModel(name="tiny", source="folder", path=str(folder))
    model_stage.run(model_stage.Inputs(folder), model_stage.ModelParams(model=spec), out)
    return out.base


def trained(
    folder: Path, base: Path, train: list[Row], dev: list[Row], how: TrainParams, start: Path | None = None
) -> Outputs:
    write_rows(folder / "train.jsonl", train)
    write_rows(folder / "dev.jsonl", dev)
    out = Outputs(folder / "adapter", folder / "curve.csv", folder / "report.json")
    stage.run(Inputs(folder / "train.jsonl", folder / "dev.jsonl", base, start), how, out)
    return out


def series(out: Outputs, name: str) -> list[float]:
    with out.curve.open(newline="") as lines:
        return [float(line[name]) for line in csv.DictReader(lines)]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)
