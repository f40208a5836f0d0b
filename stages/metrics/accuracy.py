"""Share of rows with the right label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.metrics._rates import mean

if TYPE_CHECKING:
    from stages.judging import Judged


def right(judged: Judged) -> float:
    expected, said = judged.labels
    return float(expected == said)


METRIC = mean("accuracy", "share of rows with the right label", ("label",), right)
