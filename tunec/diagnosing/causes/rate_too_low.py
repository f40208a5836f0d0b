"""Nothing is learnt: the loss ends where it began, and it did not jump."""

from __future__ import annotations

from collections.abc import Iterator

from stages.signals import LEARNS
from tunec.diagnosing.build import Build
from tunec.diagnosing.cause import Cause, Sign, strength
from tunec.diagnosing.causes.rate_too_high import USUAL


def look(build: Build) -> Iterator[Sign]:
    losses, rate = build.losses, float(build.params["learning_rate"])
    if build.params["method"] == "grpo" or len(losses) < 10:
        return
    tenth = max(1, len(losses) // 10)
    first, last = sum(losses[:tenth]) / tenth, sum(losses[-tenth:]) / tenth
    usual = USUAL.get(str(build.params["adapter"]), 1e-3)
    if rate <= usual and max(losses) < 1.5 * losses[0]:
        figure = (
            f"the loss went from {first:.3f} to {last:.3f} in {build.training['steps']} steps, at a rate of {rate:g}"
        )
        yield Sign(figure, strength(last / max(first, 1e-9), 0.8, LEARNS))


def experiment(build: Build) -> str:
    return (
        "100 clean rows must be learnt by heart: `tunec diagnose --clean data/clean.jsonl` writes them and says how; "
        "and three short runs at other rates: `tunec build training.rate_probe=20`"
    )


CAUSE = Cause(
    "rate_too_low",
    "the training learns nothing",
    look,
    experiment,
    "raise training.learning_rate, train longer, or raise the rank; look at rows with `tunec data show 1 --mask`",
    before=10,
    patch=lambda build: {"training.learning_rate": 3 * float(build.params["learning_rate"])},
)
