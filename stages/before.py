"""A training that another one goes on from, such as sft before dpo: a stage of its own, run by what it reads alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from stages import train
from stages.base import At, File, Key, Read, Stage
from stages.lessons import Budget, DevChecks, TrainParams


@dataclass(frozen=True)
class Inputs:
    train: Annotated[Path, Read("mix.train"), Read("augment.train"), Read("splits.train")]
    dev: Annotated[Path, Read("splits.dev")]
    model: Annotated[Path, Read("model.base")]
    general: Annotated[Path | None, File("training.signals.general")] = None
    start = None  # there is none before the first


class FirstDevChecks(DevChecks):
    checks: Annotated[int, Key("training.after.dev.checks")] = 0
    patience: Annotated[int | None, Key("training.after.dev.patience")] = None
    keep: Annotated[Literal["best", "last"], Key("training.after.dev.keep")] = "best"


class FirstBudget(Budget):
    steps: Annotated[int | None, Key("training.after.budget.steps")] = None
    minutes: Annotated[float | None, Key("training.after.budget.minutes")] = None


class BeforeParams(TrainParams):
    """As TrainParams: adapter, prompt, lengths and seed are those of both trainings, the recipe is its own."""

    method: Annotated[str, Key("training.after.method")]
    epochs: Annotated[float, Key("training.after.epochs")]
    learning_rate: Annotated[float, Key("training.after.learning_rate")]
    batch_size: Annotated[int, Key("training.after.batch_size")]
    warmup_ratio: Annotated[float, Key("training.after.warmup_ratio")]
    weight_decay: Annotated[float, Key("training.after.weight_decay")]
    scheduler: Annotated[Literal["cosine", "linear", "constant"], Key("training.after.scheduler")]
    shared_prefix: Annotated[Literal["auto", "on", "off"] | None, Key("training.after.shared_prefix")] = None
    beta: Annotated[float | None, Key("training.after.beta")] = None
    dev: FirstDevChecks = FirstDevChecks()
    budget: FirstBudget = FirstBudget()
    rate_probe: Annotated[int, Key("training.after.rate_probe")] = 0


def _settled(at: At) -> Mapping[str, Any]:
    """grpo is never first."""
    return {"generations": None, "max_new_tokens": None, "reward": None}


STAGE = Stage(
    name="before",
    summary="Trains the base model first, for another training to go on from",
    run=train.run,
    inputs=Inputs,
    params=BeforeParams,
    outputs=train.Outputs,
    per="first",
    made=train.STAGE.made,
    settled=_settled,
)
