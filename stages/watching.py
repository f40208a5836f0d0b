"""Looks at a training after every step: tells how far it is, and stops one that can only get worse."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from stages import progress
from stages.diagnostics import fail
from stages.lessons import Prepared

RATE = "training.learning_rate"
LOOKED_AT = 10  # steps whose mean loss is compared
EXPLODED = 3.0  # times the loss of the first steps
LEAST = 0.5  # a loss that begins below is compared with this


@dataclass
class Watching:
    """rates: the learning rate of every step so far. dev: (step, dev loss) of every check so far. tell: who else is
    told of each step's figures, such as MLflow."""

    ready: Prepared
    rates: list[float] = field(default_factory=list)
    dev: list[list[float]] = field(default_factory=list)
    tell: Callable[[int, dict[str, float]], None] = lambda step, figures: None

    def callback(self) -> Any:
        """What the trainer calls."""
        from transformers import TrainerCallback

        run = self

        class Watcher(TrainerCallback):  # type: ignore[misc]
            began, steps, tokens = time.monotonic(), 0, 0

            def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
                self.began = time.monotonic()

            def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
                run.rates.append(float(run.ready.trainer.optimizer.param_groups[0]["lr"]))

            def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
                step, trainer = state.global_step, run.ready.trainer
                check(trainer.losses, step, run.rates[-1])
                self.steps += 1
                self.tokens += sum(run.ready.lengths[row] for row in trainer.steps[step - 1])
                seconds = time.monotonic() - self.began
                left = (state.max_steps - step) * seconds / self.steps
                run._told(step, state.max_steps, f"{self.tokens / seconds:.0f} tok/s · {span(left)} left")

        return Watcher()

    def _told(self, step: int, steps: int, speed: str) -> None:
        trainer = self.ready.trainer
        told = self.ready.series or {"loss": trainer.losses}
        figures = [f"{name} {values[-1]:.2f}" for name, values in told.items()]
        figures += [f"dev loss {self.dev[-1][1]:.2f}"] if self.dev else []
        progress.tell(step, steps, " · ".join([*figures, speed]))
        series = {"loss": trainer.losses, **self.ready.series, "grad_norm": trainer.norms, "learning_rate": self.rates}
        self.tell(step, {name: values[-1] for name, values in series.items()})


def check(losses: Sequence[float], step: int, rate: float) -> None:
    """Raises T344 for a loss that is no number, T662 for one that has exploded."""
    help = f"lower training.learning_rate to a third, {rate / 3:.1g}, or lengthen training.warmup_ratio"
    if not math.isfinite(losses[-1]):
        raise fail("T344", f"the loss is no number any more at step {step}", help=help, key=RATE)
    begun = min(losses[0], sum(losses[:LOOKED_AT]) / LOOKED_AT)
    last = losses[LOOKED_AT:][-LOOKED_AT:]
    if len(last) == LOOKED_AT and sum(last) / LOOKED_AT > EXPLODED * max(begun, LEAST):
        means = f"it began with {begun:.2f}, and was {sum(last) / LOOKED_AT:.2f} in the {LOOKED_AT} steps before {step}"
        raise fail("T662", f"the loss explodes: {means}", help=help, key=RATE)


def span(seconds: float) -> str:
    """A time as a person says it: 40 s, 3 min, 2 h 10 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
