"""Quality against what it costs: which systems stand there, and which no other beats."""

from __future__ import annotations

import re
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.lettering import Box, placed
from stages.scatter import Point, front, log_ticks, pareto, points

AREA = Box(48, 42, 328, 232)  # of a plot on a phone
DOTS = st.lists(st.tuples(st.floats(60, 310), st.floats(50, 220)), max_size=24)


def system(label: str, size: int, dev: float | None, test: float | None, chosen: bool = False) -> dict[str, object]:
    said = {
        name: {"f1": {"value": value}} if value is not None else None for name, value in (("dev", dev), ("test", test))
    }
    return {"label": label, "bytes": size, "rows_per_second": 4, "chosen": chosen, **said}


def test_all_stand_there_by_the_rows_that_the_choice_was_made_by() -> None:
    systems = [system("f16", 271_000_000, 0.785, 0.78), system("q4", 105_000_000, 0.752, None)]
    systems += [system("q5", 112_000_000, 0.775, 0.744, chosen=True), system("prompted", 0, None, 0.168)]
    assert points(systems, "f1", "bytes") == [
        Point("f16", 271.0, 0.785),
        Point("q4", 105.0, 0.752),
        Point("q5", 112.0, 0.775, chosen=True),
    ]
    assert {point.cost for point in points(systems, "f1", "rows_per_second")} == {0.25}


def test_the_front_holds_what_none_beats_for_less() -> None:
    cheap, worse, dear = Point("a", 1, 0.5), Point("b", 2, 0.4), Point("c", 3, 0.6)
    assert front([dear, worse, cheap]) == [cheap, dear]


@settings(deadline=None)
@given(DOTS, st.integers(1, 20))
def test_no_name_lies_over_another_or_over_a_dot(dots: list[tuple[float, float]], letters: int) -> None:
    boxes = [box for box in placed(dots, [(6.0 * letters, 12.0)] * len(dots), AREA, dots[:3]) if box]
    assert not [pair for pair in combinations(boxes, 2) if pair[0].meets(pair[1])]
    specks = [Box(x - 3, y - 3, x + 3, y + 3) for x, y in dots]
    assert not [box for box, speck in product(boxes, specks) if box.meets(speck)]
    assert all(box.within(AREA) for box in boxes)


def test_the_first_has_the_best_place_and_only_what_has_no_room_stays_without_a_name() -> None:
    near, *others = placed([(188, 137)] * 5, [(60.0, 12.0)] * 5, AREA)
    assert near and near.low == 137 + 8 and near.left == 188 - 30, "right above its dot"
    assert all(others), "of dots in one place each has its name"
    assert placed([(188, 137)], [(300.0, 12.0)], AREA) == [None], "wider than the plot"


def test_a_name_keeps_off_the_line_where_it_can() -> None:
    line = [(188.0, 60.0), (188.0, 200.0)]
    [box] = placed([(188, 137)], [(40.0, 12.0)], AREA, line)
    assert box and (box.left > 188 or box.right < 188)


@settings(deadline=None)
@given(st.floats(1e-3, 1e5), st.floats(0.002, 4), st.sampled_from([4, 8]))
def test_the_axis_of_cost_has_at_least_three_figures_and_no_crowd(low: float, decades: float, most: int) -> None:
    high = low * 10**decades
    found = log_ticks(low, high, most)
    assert 3 <= len(found) <= 8 and found == sorted(found)
    assert all(low <= tick <= high for tick in found)


@pytest.mark.parametrize("narrow", [False, True])
def test_files_of_nearly_one_size_each_have_their_name_and_the_axis_three_figures(narrow: bool) -> None:
    """Those of the example: q4_k_m beside q5_k_m."""
    sizes = {"f16": (271, 0.785), "q8_0": (145, 0.787), "q5_k_m": (112, 0.810), "q4_k_m": (105, 0.783)}
    svg = pareto([Point(name, *at, chosen=name == "q4_k_m") for name, at in sizes.items()], "MB", narrow=narrow)
    said = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert sizes.keys() <= {*said} and {"100", "150", "200", "300"} <= {*said}
