"""JSON as the standard has it: what a data file may hold, and what a tool's arguments may be."""

from __future__ import annotations

import json
from typing import Any

from stages.contract import loads

MAX_DEPTH = 100


def strict_json(text: str) -> Any:
    """JSON without NaN, repeated keys, lone surrogates, or more than 100 levels. Raises ValueError."""
    if _depth_bound(text) > MAX_DEPTH:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    value = loads(text)
    if "\\u" in text:  # a lone surrogate: UTF-8 itself has none
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _depth_bound(text: str) -> int:
    """The deepest nesting there can be; exact outside strings, so count properly only when it looks deep."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    inside = escaped = False
    for char in text:
        if inside:
            inside = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            inside = True
        elif char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest
