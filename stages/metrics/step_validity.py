"""Share of a plan's steps that the right plan has too, averaged over rows; the order does not count."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from stages.metrics._rates import mean
from stages.metrics._steps import steps

if TYPE_CHECKING:
    from stages.judging import Judged


def valid(judged: Judged) -> float:
    """A plan without steps is right where none is due."""
    gold, said = Counter(steps(judged.gold)), Counter(steps(judged.said))
    return (gold & said).total() / said.total() if said else float(not gold)


METRIC = mean("step_validity", "share of steps that the right plan has too", ("json",), valid)
