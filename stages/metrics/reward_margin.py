"""How much likelier the better answer is than the worse one, by the token: the mean of tanh(margin / 2), in [-1, 1].

The margin is the difference of mean log-probabilities in nats; tanh(margin / 2) is twice the probability that
Bradley and Terry give the better one, less one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from stages.metrics._rates import mean

if TYPE_CHECKING:
    from stages.judging import Judged


def margin(judged: Judged) -> float | None:
    return None if judged.margin is None else math.tanh(judged.margin / 2)


METRIC = mean("reward_margin", "how much likelier the better answer is", ("json", "label", "text"), margin)._replace(
    low=-1.0
)
