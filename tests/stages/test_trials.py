"""What a sweep tells of its files, and which of its variants `select` takes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from stages.select import SelectParams, choose_variant
from stages.trials import Trial, front, importance, modest, smallest, standard_error, told, within_noise


def figure(value: float, half: float = 0.02) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half, "bound": value - half}


def trial(name: str, value: float, size: int, speed: float = 1.0, **values: Any) -> Trial:
    return Trial(name, "v", values, figure(value), size, speed)


def test_a_standard_error_is_what_the_interval_says() -> None:
    assert standard_error(figure(0.8, 0.0196), 0.95) == pytest.approx(0.01, abs=1e-5)
    assert standard_error(figure(0.8, 0.0196), 0.9) > standard_error(figure(0.8, 0.0196), 0.95)


def test_the_smallest_file_within_one_standard_error_of_the_best_is_marked() -> None:
    trials = [trial("best", 0.80, 300), trial("near", 0.795, 200), trial("far", 0.78, 100)]
    assert within_noise({one.name: one.quality for one in trials}, 0.95) == {"best", "near"}
    assert modest(trials, 0.95) == "near"
    marked = {one["name"]: one["smallest_within_noise"] for one in told(trials, 0.95)["trials"]}
    assert marked == {"best": False, "near": True, "far": False}


def test_of_files_as_large_the_best_is_taken() -> None:
    assert smallest({"a": 1000, "b": 1004, "c": 2000}, {"a": 0.5, "b": 0.6, "c": 0.9}) == "b"


def test_the_front_holds_what_no_other_beats_in_everything() -> None:
    trials = [trial("large", 0.9, 300), trial("small", 0.8, 100), trial("worse", 0.7, 300), trial("quick", 0.7, 300, 9)]
    assert front(trials) == ["large", "small", "quick"]


def test_importance_is_the_share_of_the_variance_that_a_key_explains() -> None:
    grid = [
        trial(f"{r}-{e}", 0.5 + 0.1 * r + 0.01 * e, 1, rank=r, epochs=e, seed=0)
        for r, e in itertools.product((0, 1, 2), (0, 1, 2))
    ]
    found = importance(grid)
    assert list(found) == ["rank", "epochs", "seed"]
    assert found["rank"] == pytest.approx(1 / 1.01) and found["epochs"] == pytest.approx(0.01 / 1.01)
    assert found["seed"] == 0.0
    assert importance([trial("one", 0.5, 1, rank=8)]) == {"rank": 0.0}


def params(choose_by: str) -> SelectParams:
    yardstick = {"primary": "slot_f1", "others": (), "confidence": 0.95, "resamples": 100}
    contract = {"type": "json", "schema_": {"type": "object"}}
    return SelectParams(yardstick=yardstick, max_drop=0.02, contract=contract, choose_by=choose_by)


@pytest.mark.parametrize(("choose_by", "taken"), [("one_standard_error", "small"), ("best", "large")])
def test_select_takes_the_smallest_offer_within_noise_or_the_best(choose_by: str, taken: str) -> None:
    f16 = {"large": figure(0.80), "small": figure(0.795), "tiny": figure(0.70)}
    assert choose_variant(f16, {"large": 300, "small": 200, "tiny": 100}, params(choose_by)) == taken
