"""What the prompts of one run begin with alike, so that it is computed once; and which models allow that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def shared_prefix(prompts: Sequence[list[int]]) -> int:
    """How many tokens all prompts begin with alike, leaving each at least one of its own to decode."""
    if len(prompts) < 2:
        return 0
    first, last = min(prompts), max(prompts)  # what the extremes of an ordering share, all between them share
    most = min(len(first), len(last), *map(len, prompts)) - 1
    return next((i for i in range(most) if first[i] != last[i]), most)


def shareable(model: Any) -> bool:
    """Whether a transformers model's memory of a prefix is nothing but keys and values, with no window that slides, and
    its attention is transformers' own, so that another can take its place.

    Families that write their own attention (MPT, Bloom, Falcon, GPT-Neo, GPT-J) often count positions in it too.
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    layers = DynamicCache(config=model.config).layers
    plain = bool(layers) and all(type(layer) is DynamicLayer for layer in layers)
    return plain and bool(model._can_set_attn_implementation())
