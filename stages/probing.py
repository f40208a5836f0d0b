"""A probe of the learning rate: three short runs from the same weights, and the rate that served dev best.

A short run favours high rates a little, for it ends before they do harm; so only three rates are tried, a factor apart,
and a rate that diverges is out.
Source: Smith 2017 (the range test), made into whole short runs with warm-up and decay.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from stages import learning, progress
from stages.diagnostics import UserError
from stages.lessons import Prepared
from stages.resuming import restore_torch_random, torch_random, trained
from stages.stopping import Stopping
from stages.watching import Watching

FACTOR = 3.0  # between two rates


@dataclass(frozen=True)
class Probed:
    """dev: the dev loss that each rate reached; None where it diverged. rate: the best of them."""

    rate: float
    steps: int
    dev: Mapping[float, float | None]

    def report(self) -> dict[str, Any]:
        """JSON has no key that is a number."""
        return {
            "steps": self.steps,
            "rate": self.rate,
            "dev_loss": {f"{rate:.3g}": loss for rate, loss in self.dev.items()},
        }


def probe(ready: Prepared, steps: int) -> Probed:
    """Try a third of the trainer's rate, the rate and three times it, `steps` steps each. The trainer is left as it
    was, with the rate that won."""
    rate = ready.trainer.args.learning_rate
    dev: dict[float, float | None] = {}
    for tried in (rate / FACTOR, rate, rate * FACTOR):
        progress.tell(len(dev), 3, f"trying the rate {tried:.2g}")
        with _as_it_was(ready):
            dev[tried] = _run(ready, tried, steps)
    ready.trainer.args.learning_rate = min(dev, key=lambda tried: math.inf if dev[tried] is None else dev[tried] or 0.0)
    return Probed(ready.trainer.args.learning_rate, steps, dev)


def _run(ready: Prepared, rate: float, steps: int) -> float | None:
    ready.trainer.args.learning_rate = rate
    learning.shorten(ready.trainer, steps)
    try:
        learning.run(ready.trainer, Watching(ready), Stopping(ready))
    except UserError:  # it diverged
        return None
    loss = next(iter(ready.dev().values()))
    return loss if math.isfinite(loss) else None


@contextmanager
def _as_it_was(ready: Prepared) -> Iterator[None]:
    """Weights, random numbers, settings and records, as they were before."""
    import numpy as np
    import torch

    trainer = ready.trainer
    weights = {name: p.detach().clone() for name, p in trained(trainer.model).items()}
    states = torch_random(), random.getstate(), np.random.get_state()
    settings = {name: getattr(trainer.args, name) for name in ("learning_rate", "max_steps", "warmup_steps")}
    steps, callbacks = trainer.steps, list(trainer.callback_handler.callbacks)
    try:
        yield
    finally:
        with torch.no_grad():
            for name, parameter in trained(trainer.model).items():
                parameter.copy_(weights[name])
        trainer.model.zero_grad(set_to_none=True)
        restore_torch_random(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])
        for name, value in settings.items():
            setattr(trainer.args, name, value)
        trainer.steps, trainer.callback_handler.callbacks = steps, callbacks
        trainer.optimizer = trainer.lr_scheduler = None
        for values in (trainer.losses, trainer.norms, *ready.series.values()):
            values[:] = []
