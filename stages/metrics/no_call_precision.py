"""Of the answers that call no tool, how many were right to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.metrics._calls import calls_none
from stages.metrics._rates import mean

if TYPE_CHECKING:
    from stages.judging import Judged


def right(judged: Judged) -> float | None:
    return float(calls_none(judged.gold)) if calls_none(judged.said, judged.read) else None


METRIC = mean("no_call_precision", "precision of calling no tool", ("tool_call",), right)
