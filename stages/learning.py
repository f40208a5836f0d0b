"""Runs a prepared trainer: from its last checkpoint to its end, watched, measured on dev, and within its budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages import tracking
from stages.lessons import NO_BUDGET, NO_CHECKS, Budget, DevChecks, Prepared
from stages.resuming import Kept, Resuming
from stages.stopping import Stopping
from stages.watching import Watching


@dataclass(frozen=True)
class Learned:
    """steps: that were made. rates: the learning rate of each. dev: (step, dev loss) of each check. kept: the step
    whose weights are kept. measured: the figures of the dev rows with them. why: what ended the run early.
    """

    steps: int
    rates: list[float]
    dev: list[list[float]]
    kept: int
    measured: Mapping[str, float]
    why: str | None = None


def learn(ready: Prepared, checks: DevChecks = NO_CHECKS, budget: Budget = NO_BUDGET) -> Learned:
    """Run the trainer to its end, or to where it has to stop. Raises T344, T662 and, for a full disk, T380."""
    shorten(ready.trainer, budget.steps)
    stopping = Stopping(ready, checks, budget)
    with tracking.told() as tell:
        watching = Watching(ready, dev=stopping.dev, tell=tell)
        resuming = Resuming(ready.trainer, _kept(ready, watching, stopping))
        ready.trainer.done = resuming.begin()
        run(ready.trainer, watching, stopping, resuming)
    steps = len(ready.trainer.losses)
    kept = stopping.best_step if stopping.best else steps
    return Learned(steps, watching.rates, stopping.dev, kept or steps, stopping.end(), stopping.why)


def shorten(trainer: Any, steps: int | None) -> None:
    """At most so many steps; the learning rate runs through its whole course in them."""
    if steps is not None and steps < len(trainer.steps):
        share = trainer.args.warmup_steps / len(trainer.steps)
        trainer.steps = trainer.steps[:steps]
        trainer.args.max_steps = steps
        trainer.args.warmup_steps = round(share * steps)


def run(trainer: Any, *parts: Any) -> None:
    """Train, with the callbacks of these in their order, and with nothing else that speaks."""
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    callbacks = [part.callback() for part in parts]
    for callback in callbacks:
        trainer.add_callback(callback)
    trainer.train()
    for callback in callbacks:
        trainer.remove_callback(callback)


def _kept(ready: Prepared, watching: Watching, stopping: Stopping) -> Kept:
    """What a checkpoint holds beside the trainer's own state."""
    trainer = ready.trainer
    lists: dict[str, list[Any]] = {"loss": trainer.losses, "norm": trainer.norms}
    lists |= {"rate": watching.rates, "dev": stopping.dev}
    lists |= {f"series/{name}": values for name, values in ready.series.items() if isinstance(values, list)}

    def read(facts: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
        stopping.spent = float(facts["seconds"])
        stopping.best = dict(tensors)

    return Kept(lists, lambda: stopping.best, lambda: {"seconds": stopping.seconds()}, read)
