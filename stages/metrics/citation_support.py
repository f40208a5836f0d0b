"""Share of what answers quote that stands in their input; answers that quote nothing do not count.

A quotation is what stands between quotation marks (six characters or more), or in a JSON field named quote, citation or
evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from stages.metrics._rates import mean
from stages.rows import dumps

if TYPE_CHECKING:
    from stages.judging import Judged

LEAST = 6  # characters; shorter ones are names and words, not quotations
FIELDS = ("quote", "quotes", "citation", "citations", "evidence")
_QUOTED = re.compile(
    r"[\"\u201c\u300c\u300e\u00ab]([^\"\u201c\u201d\u300c-\u300f\u00ab\u00bb]+)[\"\u201d\u300d\u300f\u00bb]"
)


def supported(judged: Judged) -> float | None:
    quotes = list(quoted(judged.said))
    where = _plain(" ".join(v if isinstance(v, str) else dumps(v) for v in judged.input.values()))
    return sum(_plain(quote) in where for quote in quotes) / len(quotes) if quotes else None


def quoted(said: Any) -> Iterator[str]:
    """Every quotation of an answer."""
    if isinstance(said, str):
        yield from (text for text in _QUOTED.findall(said) if len(text) >= LEAST)
    elif isinstance(said, dict):
        for name in FIELDS:
            given = said.get(name)
            yield from (text for text in (given if isinstance(given, list) else [given]) if isinstance(text, str))


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


METRIC = mean("citation_support", "share of quotations that stand in the input", ("text", "json"), supported)
