"""Share of rows that call the right tool, whatever the arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stages.catalog import Metric
from stages.metrics.exact_match import value

if TYPE_CHECKING:
    from stages.judging import Judged


def counts(judged: Sequence[Judged]) -> Any:
    """(N, 2): the right tool, and one a row."""
    import numpy as np

    return np.array([(_tool(j.gold) == _tool(j.said), 1) for j in judged], dtype=float)


def _tool(answer: Any) -> Any:
    return answer.get("name") if isinstance(answer, dict) else None


METRIC = Metric("tool_accuracy", "share of rows that call the right tool", ("tool_call",), counts, value)
