"""A build as it lies on disk, made up: rows of four labels that words tell apart, their answers, and every report."""

from __future__ import annotations

import contextlib
import io
import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from compiler import Compiled
from stages.answers import Answer, write_answers
from stages.base import READ
from stages.rows import Row, row_id, write_json, write_jsonl, write_rows
from stages.score import ScoreParams
from stages.scoring import figures, judged
from tunec import start
from tunec.compiling import compile_here

TASK = """\
# what a bank's customers want
task_name: intents
task_type: classification
input_template: "{text}"
output_format:
  type: label
  schema: {enum: [card, refund, rate, login]}
data:
  sources: # two of them
    - path: data/raw/rows.jsonl # by hand
baselines: {majority: true, base: false, prompted: false}
training: {base_model: smollm2-135m, epochs: 2}
quantization: {formats: [q8_0]}
evaluation: {resamples: 100}
success_criteria: {threshold: 0.7}
"""
WORDS = {
    "card": ["card", "plastic", "deliver", "post", "envelope", "arrive", "chip", "lost", "stolen", "replacement"],
    "refund": ["refund", "money", "back", "charged", "twice", "return", "merchant", "dispute", "fee", "wrong"],
    "rate": ["rate", "exchange", "currency", "euro", "dollar", "conversion", "foreign", "abroad", "yen", "market"],
    "login": ["password", "login", "app", "locked", "code", "screen", "update", "phone", "reset", "account"],
}
COMMON = ["please", "my", "i", "the", "today", "help", "want", "need", "can", "why", "is", "not", "with", "for", "now"]
VARIANT = "smollm2-135m-r16"
HEALTHY_CURVE = [2.0 * 0.97**step + 0.05 for step in range(100)]


def text(label: str, rng: random.Random) -> str:
    return " ".join(rng.sample(WORDS[label], 3) + rng.sample(COMMON, 5)) + f" {rng.randrange(10**6)}"


def row(label: str, rng: random.Random, *, said: str | None = None, tags: tuple[str, ...] = ()) -> Row:
    given = {"text": said or text(label, rng)}
    return Row(row_id(given, label), given, label, tags=tags)


@dataclass
class Made:
    """A healthy build until something of it is changed; `write` lays it down."""

    root: Path
    seed: int = 0
    task: str = TASK
    train: list[Row] = field(default_factory=list)
    dev: list[Row] = field(default_factory=list)
    said: dict[str, dict[str, Any]] = field(default_factory=dict)  # dev row id -> what is otherwise in its answer
    curve: list[float] = field(default_factory=lambda: list(HEALTHY_CURVE))
    training: dict[str, Any] = field(default_factory=lambda: {"dev_loss": 0.2, "train_loss": 0.15})
    data: dict[str, Any] = field(default_factory=dict)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    checks: dict[str, Any] = field(default_factory=dict)
    drop: float = 0.0
    beside: dict[str, Any] = field(default_factory=dict)
    raw: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = random.Random(self.seed)
        self.train = [row(label, rng) for label in WORDS for _ in range(75)]
        self.dev = [row(label, rng) for label in WORDS for _ in range(20)]
        for one in self.dev[::23]:  # a few are wrong in any build
            self.wrong(one, next(label for label in WORDS if label != one.output))

    def wrong(self, one: Row, label: str) -> None:
        self.said[one.id] = {"text": label, "free": label}

    def write(self) -> Made:
        lines = self.raw or [{"text": one.input["text"], "output": one.output} for one in [*self.train, *self.dev]]
        self.file("data/raw/rows.jsonl")
        write_jsonl(self.root / "data/raw/rows.jsonl", lines)
        (self.root / "task.yaml").write_text(self.task, encoding="utf-8")
        compiled, _ = compile_here(self.root, [])
        for instance in compiled.plan.instances:
            for path in instance.outputs.values():
                self.file(path).touch()
        self._rows()
        self._reports(compiled)
        return self

    def file(self, path: str) -> Path:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        return self.root / path

    def _rows(self) -> None:
        for stage in ("splits", "augment"):
            write_rows(self.file(f"build/{stage}/train.jsonl"), self.train)
        write_rows(self.root / "build/splits/dev.jsonl", self.dev)
        for candidate in ("tuned", "f16", "q8_0"):
            write_answers(self.root / f"build/predict-{VARIANT}-{candidate}/predictions.jsonl", self._answers())
        write_jsonl(self.root / "build/data/rejected.jsonl", self.rejected)

    def _answers(self) -> Iterator[Answer]:
        for one in self.dev:
            told = {"text": str(one.output), "free": str(one.output), "tokens": 3, "finish": "stop"}
            yield Answer(one.id, **{**told, **self.said.get(one.id, {})})

    def _reports(self, compiled: Compiled) -> None:
        build, rows = self.root / "build", len(self.train) + len(self.dev)
        data = {"read": rows, "accepted": rows, "rejected": 0, "duplicates": 0, "gates": {}, "files": {}}
        near = {"clusters": 0, "rows": 0, "largest": 0}
        write_json(build / "data/report.json", {**data, "near": near, **self.data})
        chosen = f"{VARIANT}-q8_0"
        write_json(build / "select/choice.json", {"chosen": chosen, "variant": VARIANT, "candidate": "q8_0"})
        drop = {"value": self.drop, "low": self.drop - 0.01, "high": self.drop + 0.01, "bound": self.drop}
        write_json(build / "select/reason.json", {"reason": "", "bytes": {}, "drops": {chosen: drop}})
        given = compiled.plan["score"].params
        scoring = ScoreParams(**{name: value for name, value in given.items() if name != READ})
        answers = {
            f"{VARIANT}-{of}": build / f"predict-{VARIANT}-{of}/predictions.jsonl" for of in ("tuned", "f16", "q8_0")
        }
        systems = {
            name: figures(of, scoring.yardstick, scoring.contract)
            for name, of in judged(self.dev, answers, scoring.contract).items()
        }
        write_json(build / "select/scores.json", {"rows": len(self.dev), "systems": systems})
        test = {"systems": {}, "ahead": {}, "chosen": "q8_0", "rows": 10, "beside": self.beside}
        write_json(build / "score/scores.json", test)
        checks = {"template": True, "stop": True, "tokens": 0, "rows": 10, "named": []}
        write_json(build / "test/checks.json", {**checks, **self.checks})
        train = build / f"train-{VARIANT}"
        write_json(train / "report.json", {"rows": len(self.train), "steps": len(self.curve), **self.training})
        lines = "".join(f"{step},{loss:.6f}\n" for step, loss in enumerate(self.curve, start=1))
        (train / "curve.csv").write_text(f"step,loss\n{lines}", encoding="utf-8")


def tunec(folder: Path, *words: str, code: int = 0) -> tuple[str, str]:
    """A command as a user types it, within this process."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", ["tunec", *words]),
        pytest.raises(SystemExit) as ended,
    ):
        start.main()
    assert int(ended.value.code or 0) == code, out.getvalue() + err.getvalue()
    assert "Traceback" not in err.getvalue() and "T999" not in err.getvalue()
    return out.getvalue(), err.getvalue()


def asked(folder: Path, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tunec(folder, *words, "--json")[0])
    return found
