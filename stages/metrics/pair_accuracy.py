"""Of rows with a better and a worse answer, how often the model finds the better one likelier, by the token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.metrics._rates import mean

if TYPE_CHECKING:
    from stages.judging import Judged


def preferred(judged: Judged) -> float | None:
    return None if judged.margin is None else (judged.margin > 0) + 0.5 * (judged.margin == 0)


METRIC = mean(
    "pair_accuracy", "share of pairs in which the better answer is likelier", ("json", "label", "text"), preferred
)
