"""How near an answer's length is to the right one's: the shorter over the longer, in characters, averaged over rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.metrics._rates import mean

if TYPE_CHECKING:
    from stages.judging import Judged


def ratio(judged: Judged) -> float:
    gold, said = len(str(judged.gold)), len(str(judged.said or ""))
    return min(gold, said) / max(gold, said) if max(gold, said) else 1.0


METRIC = mean("length_ratio", "how near the answers' lengths are to the right ones", ("text",), ratio)
