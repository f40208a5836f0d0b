"""`training.budget` ended the training while it was still learning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any, NamedTuple

from tunec.diagnosing.build import Build
from tunec.diagnosing.cause import Cause, Sign, strength

_LEARNS = 0.99  # of a loss to the one before it, below which it still falls


class Cut(NamedTuple):
    """key: the bound that ended it. steps: that were made. wanted: about how many the epochs take."""

    key: str
    steps: int
    wanted: int


def cut(build: Build) -> Cut | None:
    """What the budget took away; None where it took nothing, or where nothing was being learnt any more."""
    budget, steps = build.params["budget"], int(build.training["steps"])
    epoch = ceil(int(build.training["rows"]) / int(build.params["batch_size"]))
    wanted = ceil(float(build.params["epochs"]) * epoch)
    ended = str(build.training.get("stopped", ""))
    if ended.startswith("training.budget.minutes"):
        key = "minutes"
    elif not ended and budget["steps"] is not None and steps >= budget["steps"]:
        key = "steps"
    else:
        return None
    return Cut(key, steps, wanted) if wanted > steps and falling(build) is not False else None


def falling(build: Build) -> bool | None:
    """Whether the last check of the dev loss was lower than the one before; without checks, the same of the second
    half of the train losses beside the first. None where there are too few of them.
    """
    checks, losses = build.dev_losses[-2:], build.losses
    if len(checks) < 2 and len(losses) >= 2:
        half = len(losses) // 2
        checks = [sum(losses[:half]) / half, sum(losses[half:]) / len(losses[half:])]
    return checks[1] < _LEARNS * checks[0] if len(checks) == 2 else None


def look(build: Build) -> Iterator[Sign]:
    found = cut(build)
    if not found:
        return
    room = strength(build.missed, 0.05, 0.2)
    figure = f"training.budget.{found.key} ended it after {found.steps:,} of about {found.wanted:,} steps"
    yield Sign(figure, room * strength(found.steps / found.wanted, 0.95, 0.4))
    if falling(build):
        what = "dev loss" if len(build.dev_losses) > 1 else "train loss"
        yield Sign(f"the {what} was still falling at its end", 0.5 * room)


def patch(build: Build) -> Mapping[str, Any]:
    """As much as all the epochs take, at the same pace."""
    found = cut(build)
    if not found:
        return {}
    most = build.params["budget"]["minutes"]
    more = found.wanted if found.key == "steps" else ceil(most * found.wanted / max(1, found.steps))
    return {f"training.budget.{found.key}": more}


def experiment(build: Build) -> str:
    return "the same training to its end: `tunec build training.budget.steps=null training.budget.minutes=null`"


CAUSE = Cause(
    "cut_short",
    "the budget ended the training too early",
    look,
    experiment,
    "raise training.budget, or leave it out; for fewer steps on purpose, lower training.epochs",
    before=9,
    patch=patch,
)
