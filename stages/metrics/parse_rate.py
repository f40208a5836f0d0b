"""Share of answers that can be read at all: JSON of a JSON contract, with no grammar's help counted apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.metrics._rates import mean

if TYPE_CHECKING:
    from stages.judging import Judged


def parsed(judged: Judged) -> float:
    """An answer that was read as null counts; one that could not be read does not."""
    return float(judged.read)


METRIC = mean("parse_rate", "share of answers that can be read as JSON", ("json",), parsed)
