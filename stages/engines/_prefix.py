"""What the prompts of one run begin with alike, so that it is computed once."""

from __future__ import annotations

from collections.abc import Sequence


def shared_prefix(prompts: Sequence[list[int]]) -> int:
    """How many tokens all prompts begin with alike, leaving each at least one of its own to decode."""
    if len(prompts) < 2:
        return 0
    first, last = min(prompts), max(prompts)  # what the extremes of an ordering share, all between them share
    most = min(len(first), len(last), *map(len, prompts)) - 1
    return next((i for i in range(most) if first[i] != last[i]), most)
