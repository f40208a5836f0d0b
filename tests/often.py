"""Cases of one table: some in every run, the rest among the thorough tests."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def often(cases: Iterable[Any], chosen: Collection[Any]) -> list[Any]:
    """The cases as parameters, those that are not chosen marked thorough. A case of several parameters is a tuple."""
    cases = list(cases)
    assert all(one in cases for one in chosen), "what is chosen is no case"
    marks = {True: (), False: (pytest.mark.thorough,)}
    return [pytest.param(*(c if isinstance(c, tuple) else (c,)), marks=marks[c in chosen]) for c in cases]
