"""How often a judge prefers the answer to the one beside it; a tie is half. See stages/prefer.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.metrics._rates import mean

if TYPE_CHECKING:
    from stages.judging import Judged


def preferred(judged: Judged) -> float | None:
    """Rows that no judge was asked about do not count."""
    return judged.preferred


METRIC = mean("preference", "share of rows whose answer a judge prefers", ("text",), preferred)
