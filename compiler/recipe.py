"""The schema of what steers a training on its way: dev checks, budget, probe, signals, and a training before it.

A key with AUTO takes the word `auto` too; compiler/settle.py puts a number in its place.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from compiler.section import Section, unit, unwritten

AUTO: dict[str, Any] = {"auto": True}


class DevChecks(Section):
    """The dev loss on the way: which weights are kept, and when there is no sense in going on."""

    checks: int = Field(
        default=0,
        ge=0,
        le=1000,
        json_schema_extra=unit("checks"),
        description="Times that it is measured, evenly spread; 0: at the end alone.",
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        json_schema_extra=unit("checks"),
        description="Checks without a better dev loss after which training stops; default: never.",
    )
    keep: Literal["best", "last"] = Field(
        default="best", description="The weights of the check with the least dev loss, or the last ones."
    )


class Budget(Section):
    """The most that a training may take."""

    steps: int | None = Field(
        default=None,
        ge=1,
        json_schema_extra=unit("steps"),
        description="Optimizer steps; the learning rate runs its whole course in them.",
    )
    minutes: float | None = Field(
        default=None,
        gt=0,
        json_schema_extra=unit("minutes"),
        description="Minutes of training, after which no step begins. Another machine then gives another model.",
    )


class Signals(Section):
    """What is looked at beside the loss, for the training report to say what went wrong."""

    suspects: int = Field(
        default=0,
        ge=0,
        json_schema_extra=unit("rows"),
        description="Train rows that are scored at the end, to name those that fit worst; 0: none.",
    )
    general: str | None = Field(
        default=None,
        min_length=1,
        description='A JSONL file of {"prompt", "answer"}, scored before and after: what the model should not forget.',
    )


class After(Section):
    """A training that is done first, on the same rows, and gone on from. Adapter, prompt and seed are shared."""

    method: str = Field(description="Its method, such as sft before dpo.")
    epochs: float = Field(
        gt=0, le=100, json_schema_extra=unit("passes") | AUTO, description="Its passes over the train split."
    )
    learning_rate: float = Field(gt=0, lt=1, json_schema_extra=unit("per step") | AUTO, description="Its peak rate.")
    batch_size: int = Field(ge=1, le=4096, json_schema_extra=unit("rows"), description="Its rows an optimizer step.")
    warmup_ratio: float = Field(
        ge=0,
        lt=1,
        json_schema_extra=unit("share of steps") | AUTO,
        description="Share of its steps in which the rate climbs.",
    )
    weight_decay: float = Field(
        ge=0,
        lt=1,
        json_schema_extra=unit("share per step, times the rate"),
        description="Its pull of the weights towards zero.",
    )
    scheduler: Literal["cosine", "linear", "constant"] = Field(description="How its rate falls after the warm-up.")
    shared_prefix: Literal["auto", "on", "off"] | None = Field(default=None, description="As training.shared_prefix.")
    beta: float | None = Field(default=None, gt=0, le=10, description="As training.beta.")
    dev: DevChecks = unwritten(DevChecks)
    budget: Budget = unwritten(Budget)
    rate_probe: int = Field(default=0, ge=0, json_schema_extra=unit("steps"), description="As training.rate_probe.")
