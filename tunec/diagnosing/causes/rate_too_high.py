"""The learning rate is too high: the loss rises, jumps, or stays where it cannot be brought down."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from tunec.diagnosing.build import Build
from tunec.diagnosing.cause import Cause, Sign, strength

USUAL = {"full": 1e-4, "lora": 1e-3, "qlora": 1e-3}  # at most, for models of 0.1 to 4B parameters


def look(build: Build) -> Iterator[Sign]:
    losses, rate = build.losses, float(build.params["learning_rate"])
    if build.params["method"] == "grpo" or len(losses) < 10:
        return
    tenth = max(1, len(losses) // 10)
    first, last = sum(losses[:tenth]) / tenth, sum(losses[-tenth:]) / tenth
    above = sum(loss > losses[0] for loss in losses[tenth:]) / len(losses[tenth:])
    yield Sign(f"{above:.0%} of the steps have a loss above the first step's", strength(above, 0.05, 0.4))
    peak = max(losses[1:]) / max(losses[0], 1e-9)
    yield Sign(f"the loss rose to {peak:.1f} times that of the first step", strength(peak, 1.5, 3.0))
    usual = USUAL.get(str(build.params["adapter"]), 1e-3)
    figure = f"the rate is {rate:g}, {rate / usual:,.0f} times what is usual at most; the loss went from {first:.2f} "
    figure += f"to {last:.2f}"
    yield Sign(figure, strength(math.log10(rate / usual), 0.5, 2.0) * strength(last / max(first, 1e-9), 0.1, 0.4))


def patch(build: Build) -> Mapping[str, Any]:
    rate, usual = float(build.params["learning_rate"]), USUAL.get(str(build.params["adapter"]), 1e-3)
    return {"training.learning_rate": min(rate / 10, usual)}


def experiment(build: Build) -> str:
    return "three short runs at other rates: `tunec build training.rate_probe=20`, told in the training's report"


CAUSE = Cause(
    "rate_too_high",
    "the learning rate is too high",
    look,
    experiment,
    "lower training.learning_rate by ten, or let training.rate_probe find one",
    before=9,
    patch=patch,
)
