"""How much of the right plan is there, in order: longest common subsequence over the longer plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stages.metrics._rates import mean
from stages.metrics._steps import steps

if TYPE_CHECKING:
    from stages.judging import Judged


def kept(judged: Judged) -> float:
    gold, said = steps(judged.gold), steps(judged.said)
    return common(gold, said) / max(len(gold), len(said)) if gold or said else float(judged.read)


def common(a: Sequence[str], b: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for left in a:
        above = row[:]
        for place, right in enumerate(b, start=1):
            row[place] = above[place - 1] + 1 if left == right else max(above[place], row[place - 1])
    return row[-1]


METRIC = mean("sequence_accuracy", "share of the right plan that is there in its order", ("json",), kept)
