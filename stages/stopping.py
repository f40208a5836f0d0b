"""When a training ends before its last step, and which of its weights are kept: by the dev loss, or by the clock."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stages import parallel
from stages.counting import counted
from stages.lessons import NO_BUDGET, NO_CHECKS, Budget, DevChecks, Prepared
from stages.resuming import trained


@dataclass
class Stopping:
    """dev: (step, dev loss) of every check so far. best: the weights of the best check, where they are to be kept.

    figures: what the last check measured. reached: the last step that was made. spent: seconds of earlier processes.
    why: what ended the run early.
    """

    ready: Prepared
    checks: DevChecks = NO_CHECKS
    budget: Budget = NO_BUDGET
    dev: list[list[float]] = field(default_factory=list)
    best: dict[str, Any] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    reached: int = 0
    spent: float = 0.0
    why: str | None = None
    _began: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        return self.spent + time.monotonic() - self._began

    def callback(self) -> Any:
        """What the trainer calls."""
        from transformers import TrainerCallback

        run = self

        class Stopper(TrainerCallback):  # type: ignore[misc]
            def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
                run.figures, run.reached = {}, state.global_step
                if state.global_step in run.places(state.max_steps):
                    run.look(state.global_step)
                run.why = run.reason()
                control.should_training_stop = control.should_training_stop or run.why is not None

        return Stopper()

    def places(self, steps: int) -> set[int]:
        """The steps after which the dev loss is measured, evenly spread; the last of them is the end."""
        many = min(self.checks.checks, steps)
        return {round(steps * number / many) for number in range(1, many + 1)}

    def look(self, step: int) -> None:
        self.figures = self.ready.dev()
        if not self.figures:  # a method that measures none
            return
        self.dev.append([step, next(iter(self.figures.values()))])
        if self.checks.keep == "best" and self.best_step == step:
            self.best = {
                name: parallel.whole(p.detach()).cpu().clone() for name, p in trained(self.ready.trainer.model).items()
            }

    @property
    def best_step(self) -> int | None:
        """The earliest check with the least dev loss."""
        return int(min(self.dev, key=lambda check: check[1])[0]) if self.dev else None

    def reason(self) -> str | None:
        """Why no other step is to be made; None to go on."""
        since = len([step for step, _ in self.dev if step > (self.best_step or 0)])
        if self.checks.patience is not None and since >= self.checks.patience:
            return f"the dev loss was no better than at step {self.best_step} in {counted(since, 'check')}"
        if self.budget.minutes is not None and parallel.agreed(self.seconds() >= 60 * self.budget.minutes):
            return f"training.budget.minutes ({self.budget.minutes:g}) are spent"
        return None

    def end(self) -> Mapping[str, float]:
        """Put the kept weights into the model; gives the figures of the dev rows with them."""
        import torch

        if self.best and self.best_step != self.reached:
            with torch.no_grad():
                for name, parameter in trained(self.ready.trainer.model).items():
                    parameter.copy_(parallel.parted(self.best[name], parameter))
            self.figures = {}
        self.figures = self.figures or self.ready.dev()
        return self.figures
