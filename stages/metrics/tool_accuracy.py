"""Share of rows that call the right tool, whatever the arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stages.catalog import Metric
from stages.metrics._calls import right_tool
from stages.metrics.exact_match import value

if TYPE_CHECKING:
    from stages.judging import Judged


def counts(judged: Sequence[Judged]) -> Any:
    """(N, 2): the right tool, and one a row."""
    import numpy as np

    return np.array([(right_tool(j), 1) for j in judged], dtype=float)


METRIC = Metric("tool_accuracy", "share of rows that call the right tool", ("tool_call",), counts, value)
