"""Of the rows that expect no call, how many got none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.metrics._calls import calls_none
from stages.metrics._rates import mean

if TYPE_CHECKING:
    from stages.judging import Judged


def right(judged: Judged) -> float | None:
    return float(calls_none(judged.said, judged.read)) if calls_none(judged.gold) else None


METRIC = mean("no_call_recall", "recall of calling no tool", ("tool_call",), right)
