"""Share of rows in which every field of `evaluation.terms.critical_fields` is right; rows with none do not count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.equality import same
from stages.metrics._rates import mean

if TYPE_CHECKING:
    from stages.judging import Judged


def right(judged: Judged) -> float | None:
    """A critical field that is expected must be said, and one that is not must not be."""
    if not isinstance(judged.gold, dict):
        return None
    said = judged.said if isinstance(judged.said, dict) else {}
    names = [name for name in judged.terms.critical_fields if name in judged.gold or name in said]
    if not names:
        return None
    return float(all(name in judged.gold and name in said and same(judged.gold[name], said[name]) for name in names))


METRIC = mean("critical_fields", "share of rows with every critical field right", ("json",), right)
