"""Share of rows whose whole answer is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stages.catalog import Metric

if TYPE_CHECKING:  # the compiler looks at every metric, and needs no more than its name and range
    from stages.judging import Judged


def counts(judged: Sequence[Judged]) -> Any:
    """(N, 2): right or not, and one a row. Objects are compared without regard to key order; true is not 1."""
    import numpy as np

    return np.array([(j.right, 1) for j in judged], dtype=float)


def value(sums: Any) -> Any:
    return sums[..., 0] / sums[..., 1]


def same(a: Any, b: Any) -> bool:
    """Equality as JSON has it: `1` and `1.0` are one number, `1` and `true` are not one value."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


METRIC = Metric("exact_match", "share of rows with the whole answer right", ("json", "label", "text"), counts, value)
