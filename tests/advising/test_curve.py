"""The learning curve: what it says of sizes that were not measured."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunec.advising.curve import Curve, Point, measure
from tunec.advising.learners import labels, pairs, spans

RISING = st.lists(st.floats(0.001, 0.15), min_size=3, max_size=5).map(
    lambda steps: [round(0.1 + sum(steps[: n + 1]), 4) for n in range(len(steps))]
)


def curve(values: list[float]) -> Curve:
    return Curve(tuple(Point(50 * 2**n, (value,), 100) for n, value in enumerate(values)), 400)


@given(RISING, st.integers(0, 10))
def test_more_rows_are_never_foretold_to_be_worse_and_less_sure(values: list[float], doublings: int) -> None:
    found = curve(values)
    last = found.points[-1].rows
    near, far = found.at(last * 2**doublings), found.at(last * 2 ** (doublings + 1))
    assert near.value <= far.value <= 1 and near.low <= near.value <= near.high


@given(RISING, st.floats(0.2, 0.99))
def test_the_rows_that_are_needed_reach_the_threshold(values: list[float], threshold: float) -> None:
    found = curve(values)
    likely, best, worst = found.needed(threshold)
    if likely is not None and likely >= found.points[-1].rows:
        assert found.at(likely).value >= threshold
    assert worst is None or (likely is not None and likely <= worst)
    assert likely is None or (best is not None and best <= max(likely, found.points[-1].rows))


def test_a_level_that_is_never_reached_needs_no_number_of_rows() -> None:
    assert curve([0.50, 0.52, 0.53, 0.535]).needed(0.95)[0] is None


def test_few_decisions_make_a_wide_interval() -> None:
    found = curve([0.5, 0.6, 0.66])
    wide, narrow = found.at(400, 30), found.at(400, 3_000)
    assert wide.high - wide.low > narrow.high - narrow.low


def test_the_rows_that_are_asked_are_never_learnt_from() -> None:
    def learn(known: object, asked: object) -> tuple[float, int]:
        assert not set(known) & set(asked)  # type: ignore[call-overload]
        return 0.5, len(asked)  # type: ignore[arg-type]

    found = measure(100, learn)
    assert [point.rows for point in found.points] == [18, 37, 75] and all(len(p.values) == 5 for p in found.points)
    with pytest.raises(ValueError, match="too few"):
        measure(20, learn)


def test_a_linear_model_learns_labels() -> None:
    draw = random.Random(0)
    texts = [
        f"{draw.choice(['lost', 'gone'])} card" if n % 2 else f"{draw.choice(['yen', 'euro'])} rate" for n in range(40)
    ]
    answers = ["ab"[n % 2] for n in range(40)]
    assert labels(texts[:30], answers[:30], texts[30:], answers[30:], "macro_f1")[0] == 1.0
    assert labels(texts[:5], ["a"] * 5, texts[30:], answers[30:], "accuracy") == (0.5, 10)


def test_a_tagger_learns_fields_that_stand_in_the_text() -> None:
    draw = random.Random(0)
    days = ["Monday", "Friday", "Sunday", "Tuesday"]
    texts, answers = [], []
    for _ in range(80):
        day, many = draw.choice(days), str(draw.randint(2, 9))
        texts.append(f"a table for {many} on {day} please")
        answers.append({"people": many, "day": day})
    value, decisions = spans(texts[:60], answers[:60], texts[60:], answers[60:])
    assert value > 0.9 and decisions == 40


def test_the_fields_of_both_kinds_of_answer_are_read() -> None:
    assert pairs({"day": "Monday", "open": True, "none": ""}) == [("day", "Monday")]
    assert pairs([{"type": "town", "text": "Oslo", "start": 1}, "x"]) == [("town", "Oslo")]
    assert pairs("text") == []
