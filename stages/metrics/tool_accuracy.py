"""Share of rows that call the right tool, whatever the arguments."""

from __future__ import annotations

from stages.metrics._calls import right_tool
from stages.metrics._rates import mean

METRIC = mean("tool_accuracy", "share of rows that call the right tool", ("tool_call",), right_tool)
