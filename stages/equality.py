"""When two answers are the same."""

from __future__ import annotations

from typing import Any


def same(a: Any, b: Any) -> bool:
    """Equality as JSON has it: `1` and `1.0` are one number, `1` and `true` are not one value; keys have no order."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)
