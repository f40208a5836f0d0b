"""Of the rows that break a rule, how many were said to break one, whichever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.metrics._policy import harmless
from stages.metrics._rates import mean

if TYPE_CHECKING:
    from stages.judging import Judged


def found(judged: Judged) -> float | None:
    expected, said = harmless(judged)
    return None if expected else float(said is False)


METRIC = mean("violation_recall", "share of violations that were found", ("label",), found)
