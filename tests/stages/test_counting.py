"""Counts as they are said: of one there is no plural."""

from __future__ import annotations

import pytest

from stages.counting import counted


@pytest.mark.parametrize(
    ("many", "said"), [(0, "0 test rows are left"), (1, "1 test row is left"), (2_000, "2,000 test rows are left")]
)
def test_one_is_no_plural(many: int, said: str) -> None:
    assert f"{counted(many, 'test row', 'is', 'are')} left" == said
    assert counted(many, "row") == f"{many:,} {'row' if many == 1 else 'rows'}"
