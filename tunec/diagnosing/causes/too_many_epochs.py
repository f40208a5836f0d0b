"""The train rows are learnt by heart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tunec.diagnosing.build import Build
from tunec.diagnosing.cause import Cause, Sign, strength


def look(build: Build) -> Iterator[Sign]:
    yield from _rising(build)
    epochs, report = float(build.params["epochs"]), build.training
    dev, train = report.get("dev_loss"), report.get("train_loss")
    if dev is None or train is None or build.params["method"] == "grpo":
        return
    figure = f"{epochs:g} epochs; the dev loss is {dev:.3f}, {dev / max(train, 1e-9):,.0f} times that of the train rows"
    by_heart = strength(dev / max(train, 1e-9), 3.0, 10.0)
    yield Sign(figure, by_heart * strength(epochs, 5.0, 12.0))


def _rising(build: Build) -> Iterator[Sign]:
    checks = build.dev_losses
    if len(checks) > 1 and build.params["dev"]["keep"] == "last":
        best = min(checks)
        figure = f"the dev loss was {best:.3f} at best, and {checks[-1]:.3f} at the end"
        yield Sign(figure, strength(checks[-1] / max(best, 1e-9), 1.05, 1.4))


def experiment(build: Build) -> str:
    return "the dev loss on the way: `tunec build training.dev.checks=10`; it is least where training should end"


def patch(build: Build) -> Mapping[str, Any]:
    """Never more epochs, nor fewer checks, than there were; `keep: last` would leave the weights as they are."""
    epochs, checks = float(build.params["epochs"]), int(build.params["dev"]["checks"])
    return {
        "training.epochs": min(3.0, epochs),
        "training.dev.checks": max(6, checks),
        "training.dev.keep": "best",
    }


CAUSE = Cause(
    "too_many_epochs",
    "trained for too long",
    look,
    experiment,
    "set training.dev.checks and keep the best weights, or train for 1 to 3 epochs",
    before=11,
    patch=patch,
)
