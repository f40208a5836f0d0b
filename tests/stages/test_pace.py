"""The interval around a speed."""

from __future__ import annotations

import pytest

from stages import progress
from stages.answers import Answer
from stages.pace import interval, told
from stages.predicting import timed


def moments(*seconds: float) -> list[float]:
    """When each answer came, of what each took."""
    return [sum(seconds[: place + 1]) for place in range(len(seconds))]


def test_an_even_pace_is_sure() -> None:
    assert interval(moments(*[0.5] * 16)) == pytest.approx((2.0, 2.0))


def test_an_uneven_pace_has_the_mean_of_all_within_and_the_quickest_part_at_most() -> None:
    low, high = interval(moments(*[0.5] * 12, *[1.0] * 4)) or (0, 0)
    assert low < 16 / 10 < high == 2.0


def test_the_interval_is_students_of_what_a_row_took_in_each_part() -> None:
    """Parts of 1, 2, ..., 8 s a row: mean 4.5 s, standard deviation 2.449, t(7) 2.365, so 4.5 - 2.048 and + 2.048 s."""
    took = [float(part) for part in range(1, 9) for _ in range(2)]
    assert interval(moments(*took)) == pytest.approx((1 / 6.548, 1 / 2.452), rel=1e-3)


def test_few_rows_have_none() -> None:
    assert interval(moments(*[0.5] * 15)) is None


def test_what_was_told_row_by_row_is_timed_and_still_heard() -> None:
    def answers(told: int) -> list[Answer]:
        for count in range(told):
            progress.tell(count, told, "rows answered")
        return [Answer(str(count), "", None, 1, "stop") for count in range(16)]

    heard: list[int] = []
    progress.listen(lambda done, total, note: heard.append(done))
    try:
        assert told(timed(lambda: answers(16)).speed)
        assert told(timed(lambda: answers(3)).speed) is None, "something else was told of"
        progress.tell(7)
    finally:
        progress.listen(progress._nobody)
    assert heard == [*range(16), *range(3), 7]
