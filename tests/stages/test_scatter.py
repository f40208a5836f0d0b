"""Quality against what it costs: which systems stand there, and which no other beats."""

from __future__ import annotations

from stages.scatter import Point, front, points


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
