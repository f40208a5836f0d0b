"""What a plan is a list of. Light to load: what looks at the task stands elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from stages.history import Past, Ran

State = Literal["cached", "restored", "run"]


@dataclass(frozen=True)
class Step:
    """One stage of a build.

    state: cached, nothing to do; restored, an earlier run with the same inputs is taken out of DVC's run cache; run.
    reasons: why it is not cached, of its own. after: the stages that it reads and that are not cached either; `latest`
    are those of them that no other comes after.
    """

    name: str
    state: State
    past: Past = field(default_factory=Past)
    reasons: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    latest: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        return self.state == "run"

    @property
    def seconds(self) -> float | None:
        """What it took of late; None when that is not known."""
        return median(run.seconds for run in self.past.runs[-5:]) if self.past.runs else None

    @property
    def last(self) -> Ran | None:
        return self.past.runs[-1] if self.past.runs else None

    def why(self) -> list[str]:
        """Its reasons and, in one more, the stages that it comes after."""
        return [*self.reasons, *([f"after {', '.join(self.latest)}"] if self.latest else [])]


def expected(steps: list[Step]) -> tuple[float, list[str]]:
    """Seconds that the stages to run took of late, and those of which that is not known."""
    running = [step for step in steps if step.runs]
    known = sum(step.seconds for step in running if step.seconds is not None)
    return known, [step.name for step in running if step.seconds is None]
