"""What a row must be worth to be trained on: seven scores from 1 to 5, given by a judge.

Source: the seeds' dataset quality rubric: accepted from 26 of 35, with correctness >= 4, format = 5 and safety >= 4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stages.kinds import SCORES
from stages.strict_json import strict_json

MOST = 5
_FENCE = re.compile(r"```(?:json)?[ \t]*\n(.*?)\n?```", re.DOTALL)
_THOUGHT = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)


def said_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a model's text is, or that it holds in a fence; None where it is none."""
    text = _THOUGHT.sub("", text).strip()
    fenced = _FENCE.search(text)
    for candidate in (text, fenced[1]) if fenced else (text,):
        try:
            found = strict_json(candidate)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return None


def scores(text: str) -> dict[str, int] | None:
    """The seven scores that a judge gave; None where it gave others, or none."""
    found = said_object(text) or {}
    given = {name: found.get(name) for name in SCORES}
    whole = all(
        isinstance(score, int) and not isinstance(score, bool) and 1 <= score <= MOST for score in given.values()
    )
    return {name: int(str(score)) for name, score in given.items()} if whole else None


def refused(given: Mapping[str, int], total: int, least: Mapping[str, int]) -> str | None:
    """Why these scores are not enough; None where they are."""
    for name, bound in sorted(least.items()):
        if given[name] < bound:
            return f"{name} below {bound}"
    return f"in total below {total}" if sum(given.values()) < total else None
