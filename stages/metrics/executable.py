"""Share of calls that their tool would take: the tool is known, and the arguments fit its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.metrics._calls import tool
from stages.metrics._rates import mean

if TYPE_CHECKING:
    from stages.judging import Judged


def runs(judged: Judged) -> float | None:
    """Counts what is called, right or wrong, and every call that was due."""
    if tool(judged.gold) is None and tool(judged.said) is None:
        return None
    return float(judged.valid and tool(judged.said) is not None)


METRIC = mean("executable", "share of calls that their tool would take", ("tool_call",), runs)
