"""From test figures to a verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stages import gate
from stages.catalog import Gate, members
from stages.select import SelectParams, choose, not_shown

GATES = members("stages.gates", "GATE", Gate)


def figure(value: float, bound: float | None = None, units: int = 200) -> dict[str, float]:
    lower = value if bound is None else bound
    return {"value": value, "low": lower, "high": 1.0, "bound": lower, "units": units}


def scores(
    value: float = 0.9, bound: float = 0.85, valid: float = 1.0, ahead: dict[str, dict[str, float]] | None = None
) -> dict[str, Any]:
    """A score report: the chosen q4, its chain, and baselines that it is ahead of."""
    leads = {"majority": figure(0.5, 0.4), "prompted": figure(0.2, 0.1)} if ahead is None else ahead
    systems = {name: {"slot_f1": figure(0.5), "schema_validity": figure(1.0)} for name in ["tuned", "f16", *leads]}
    systems["q4"] = {"slot_f1": figure(value, bound), "schema_validity": figure(valid)}
    return {
        "rows": 200,
        "chosen": "q4",
        "systems": systems,
        "lower": ["false_refusal_rate"],
        "ahead": {"tuned": figure(-0.1), "f16": figure(-0.1), **leads},
        "beside": {"golden": {"rows": 4, "figures": {"slot_f1": figure(0.75)}}},
    }


def judged(report: dict[str, Any], folder: Path, threshold: float = 0.8, **gates: float | bool) -> dict[str, Any]:
    (folder / "scores.json").write_text(json.dumps(report), encoding="utf-8")
    params = gate.GateParams(primary="slot_f1", threshold=threshold, gates=gates)
    gate.run(gate.Inputs(folder / "scores.json"), params, gate.Outputs(folder / "verdict.json"))
    return dict(json.loads((folder / "verdict.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("value", "bound", "status"),
    [
        (0.9, 0.85, "pass"),
        (0.9, 0.8, "pass"),
        (0.9, 0.79, "not_enough_evidence"),
        (0.8, 0.7, "not_enough_evidence"),
        (0.79, 0.7, "fail"),
    ],
)
def test_a_threshold_is_passed_by_what_is_surely_reached(
    value: float, bound: float, status: str, tmp_path: Path
) -> None:
    (found,) = judged(scores(value, bound), tmp_path)["gates"]
    assert (found["gate"], found["status"], found["figure"], found["bound"]) == ("threshold", status, value, 0.8)


@pytest.mark.parametrize(
    ("valid", "bound", "status"), [(1.0, 0.99, "pass"), (0.99, 0.99, "pass"), (0.98, 0.99, "fail"), (0.0, 0.0, "pass")]
)
def test_validity_is_judged_by_its_value(valid: float, bound: float, status: str, tmp_path: Path) -> None:
    found = judged(scores(valid=valid), tmp_path, schema_validity=bound)["gates"]
    assert {item["gate"]: item["status"] for item in found}["schema_validity"] == status


@pytest.mark.parametrize(
    ("ahead", "bound", "status"),
    [
        ({"rule": figure(0.3, 0.2)}, 0.0, "pass"),
        ({"rule": figure(0.3, 0.2), "base": figure(0.1, -0.01)}, 0.0, "not_enough_evidence"),
        ({"rule": figure(0.3, 0.2), "base": figure(-0.1, -0.2)}, 0.0, "fail"),
        ({"base": figure(0.0, 0.0)}, 0.0, "fail"),
        ({"base": figure(0.1, 0.0)}, 0.0, "not_enough_evidence"),
        ({"base": figure(0.1, 0.05)}, 0.2, "fail"),
        ({"base": figure(0.05, 0.05)}, 0.05, "pass"),
        ({"larger": figure(-0.02, -0.04)}, -0.05, "pass"),
        ({}, 0.0, "not_enough_evidence"),
    ],
)
def test_the_narrowest_lead_over_a_baseline_decides(ahead: Any, bound: float, status: str, tmp_path: Path) -> None:
    found = judged(scores(ahead=ahead), tmp_path, beats_baselines=bound)["gates"]
    assert {item["gate"]: item["status"] for item in found}["beats_baselines"] == status


def test_a_lead_that_may_be_nothing_asks_for_more_rows_than_there_are(tmp_path: Path) -> None:
    (found, _) = judged(scores(ahead={"base": figure(0.1, 0.0)}), tmp_path, beats_baselines=0.0)["gates"]
    assert found["needed"] == 201 and "that it is no less than 0, not more; about 201 rows" in found["reason"]


@pytest.mark.parametrize(
    ("report", "verdict"),
    [
        (scores(), "ship"),
        (scores(value=0.9, bound=0.7), "not_enough_evidence"),
        (scores(valid=0.5), "do_not_ship"),
        (scores(value=0.9, bound=0.7, valid=0.5), "do_not_ship"),
        (scores(value=0.1, bound=0.0), "do_not_ship"),
    ],
)
def test_one_failed_gate_outweighs_all_others(report: dict[str, Any], verdict: str, tmp_path: Path) -> None:
    found = judged(report, tmp_path, schema_validity=0.99, beats_baselines=0.0)
    assert found["verdict"] == verdict and found["chosen"] == "q4"
    assert [item["gate"] for item in found["gates"]] == ["beats_baselines", "schema_validity", "threshold"]
    assert all(item["reason"] for item in found["gates"])


def test_a_gate_that_is_false_is_off_and_one_at_zero_is_not(tmp_path: Path) -> None:
    names = [item["gate"] for item in judged(scores(), tmp_path, schema_validity=False, beats_baselines=0.0)["gates"]]
    assert names == ["beats_baselines", "threshold"]


def test_the_one_baseline_that_is_named_is_the_one_to_beat(tmp_path: Path) -> None:
    leads = {"majority": figure(0.5, 0.4), "prompted-m": figure(-0.2, -0.3), "prompt": figure(-0.2, -0.3)}
    (tmp_path / "scores.json").write_text(json.dumps(scores(ahead=leads)), encoding="utf-8")
    found = {}
    for name in ("majority", "prompted"):
        params = gate.GateParams(primary="slot_f1", threshold=0.8, gates={"beats_baselines": 0.0}, baseline=name)
        gate.run(gate.Inputs(tmp_path / "scores.json"), params, gate.Outputs(tmp_path / "verdict.json"))
        found[name] = json.loads((tmp_path / "verdict.json").read_text(encoding="utf-8"))["gates"][0]["status"]
    assert found == {"majority": "pass", "prompted": "fail"}


@pytest.mark.parametrize(
    ("name", "bound", "status"),
    [("golden", 0.75, "pass"), ("golden", 1.0, "fail"), ("adversarial", 0.5, "not_enough_evidence")],
)
def test_rows_apart_are_judged_by_the_value_of_the_primary_metric(
    name: str, bound: float, status: str, tmp_path: Path
) -> None:
    found = judged(scores(), tmp_path, **{name: bound})["gates"]
    assert {item["gate"]: item["status"] for item in found}[name] == status


@pytest.mark.parametrize(
    ("name", "value", "bound", "status"),
    [
        ("attack_validity", 0.98, 0.98, "pass"),
        ("attack_validity", 0.97, 0.98, "fail"),
        ("attack_stability", 0.5, 0.6, "fail"),
        ("attack_success", 0.05, 0.05, "pass"),
        ("attack_success", 0.06, 0.05, "fail"),
        ("attack_success", None, 0.05, "not_enough_evidence"),
    ],
)
def test_hostile_inputs_are_judged_by_the_value_and_success_has_an_upper_bound(
    name: str, value: float | None, bound: float, status: str, tmp_path: Path
) -> None:
    figures = {} if value is None else {name: {"value": value, "low": 0.0, "high": 1.0, "rows": 45}}
    report = scores() | {"attacks": {"rows": 45, "figures": figures, "attacks": {}, "fallen": []}}
    (found,) = (one for one in judged(report, tmp_path, **{name: bound})["gates"] if one["gate"] == name)
    assert found["status"] == status and (value is None or "of 45 hostile inputs" in found["reason"])


def test_every_gate_is_tried_above() -> None:
    assert set(GATES) - {"regressions"} == {  # which has tests/releasing/test_memory.py
        "threshold",
        "schema_validity",
        "parse_rate",
        "beats_baselines",
        "golden",
        "adversarial",
        "golden_errors",
        "dataset_recorded",
        "latency_p50",
        "latency_p95",
        "cost_per_1000",
        "attack_validity",
        "attack_stability",
        "attack_success",
    }


@pytest.mark.parametrize(
    ("primary", "chosen"),
    [
        ({"f16": 0.80, "q8": 0.80, "q4": 0.79}, "q4"),
        ({"f16": 0.80, "q8": 0.80, "q4": 0.77}, "q8"),
        ({"f16": 0.80, "q8": 0.70, "q4": 0.70}, "f16"),
        ({"f16": 0.80, "q8": 0.81, "q4": 0.85}, "q4"),
    ],
)
def test_the_smallest_file_that_keeps_up_with_its_f16_is_chosen(primary: dict[str, float], chosen: str) -> None:
    drops = {name: {"value": primary["f16"] - value, "bound": 1.0} for name, value in primary.items()}
    assert choose("by_value", drops, SIZES, max_drop=0.02) == chosen


SIZES = {"f16": 300, "q8": 200, "q4": 100}
DROPS = {"f16": (0.0, 0.0), "q8": (0.005, 0.018), "q4": (0.015, 0.04)}


@pytest.mark.parametrize(("how", "chosen"), [("by_value", "q4"), ("smallest_within", "q8"), ("best", "f16")])
def test_a_file_is_chosen_by_what_the_rows_show_where_that_is_asked_for(how: str, chosen: str) -> None:
    drops = {name: {"value": value, "bound": bound} for name, (value, bound) in DROPS.items()}
    assert choose(how, drops, SIZES, max_drop=0.02) == chosen


def test_a_smaller_file_of_which_the_rows_do_not_show_it_is_named() -> None:
    yardstick = {"primary": "accuracy", "others": (), "confidence": 0.95, "resamples": 100}
    contract = {"type": "label", "schema_": {"enum": ["a", "b"]}}
    params = SelectParams(yardstick=yardstick, max_drop=0.02, select="smallest_within", contract=contract)
    smaller = {"q8": {"value": 0.0, "bound": 0.145}, "q4": {"value": 0.1, "bound": 0.2}}
    assert not_shown(params, smaller, 16) == "; 16 dev rows do not show it of q8 (perhaps 0.145 below)"
    assert not_shown(params.model_copy(update={"select": "best"}), smaller, 16) == ""


def test_a_gate_that_cannot_tell_says_how_many_rows_would(tmp_path: Path) -> None:
    (found,) = judged(scores(0.9, 0.75), tmp_path)["gates"]
    assert found["status"] == "not_enough_evidence" and found["needed"] == 450  # 200 * (0.15 / 0.1) ** 2
    assert "about 450 rows" in found["reason"]


@pytest.mark.parametrize(
    ("bound", "units", "needed", "says"),
    [
        (0.987, 200, 268, "200 rows only show"),  # 2.706 * 0.99 / 0.01 rows without a miss, as a share has it
        (0.881, 20, 2679, "200 rows, worth 20 independent ones, only show"),  # of ten rows one counts
        (0.270, 1, 53570, "200 rows, worth 1 independent one, only show"),
    ],
)
def test_where_few_rows_count_as_many_more_would_have_to_be_brought(
    bound: float, units: int, needed: int, says: str, tmp_path: Path
) -> None:
    report = scores()
    report["systems"]["q4"]["no_call_recall"] = figure(1.0, bound, units)
    found = judged(report, tmp_path, no_call_recall=0.99)["gates"][0]
    assert (found["gate"], found["needed"]) == ("no_call_recall", needed)
    assert says in found["reason"] and f"about {needed:,} rows would tell" in found["reason"]


@pytest.mark.parametrize(
    ("bound", "gates", "next"),
    [
        (0.75, {}, "Bring about 450 test rows in all (four times as many halve an interval)."),
        (
            0.85,
            {"beats_baselines": 0.0, "latency_p95": 0.5},
            "beats_baselines has nothing to go by: no baseline was run. "
            "latency_p95 has nothing to go by: serving was not timed: set evaluation.latency.",
        ),
        (
            0.75,
            {"adversarial": 0.9},
            "Bring about 450 test rows in all (four times as many halve an interval). "
            "adversarial has nothing to go by: there are no adversarial rows.",
        ),
    ],
)
def test_a_gate_without_a_figure_asks_for_what_it_lacks_and_not_for_test_rows(
    bound: float, gates: dict[str, float], next: str, tmp_path: Path
) -> None:
    found = judged(scores(0.9, bound, ahead={}), tmp_path, **gates)
    assert (found["verdict"], found["next"]) == ("not_enough_evidence", next)


def test_by_the_point_alone_there_is_no_doubt(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text(json.dumps(scores(0.9, 0.1)), encoding="utf-8")
    params = gate.GateParams(primary="slot_f1", threshold=0.8, gates={}, decide_by="point")
    gate.run(gate.Inputs(tmp_path / "scores.json"), params, gate.Outputs(tmp_path / "verdict.json"))
    assert json.loads((tmp_path / "verdict.json").read_text(encoding="utf-8"))["verdict"] == "ship"


@pytest.mark.parametrize(
    ("value", "bound", "limit", "status"),
    [(0.01, 0.02, 0.05, "pass"), (0.01, 0.06, 0.05, "not_enough_evidence"), (0.06, 0.08, 0.05, "fail")],
)
def test_a_gate_on_a_rate_of_errors_is_an_upper_bound(
    value: float, bound: float, limit: float, status: str, tmp_path: Path
) -> None:
    report = scores()
    report["systems"]["q4"]["false_refusal_rate"] = figure(value, bound)
    found = judged(report, tmp_path, false_refusal_rate=limit)["gates"]
    assert {item["gate"]: item["status"] for item in found}["false_refusal_rate"] == status


@pytest.mark.parametrize(("wrong", "status"), [([], "pass"), (["a"], "fail")])
def test_no_golden_row_may_be_lost(wrong: list[str], status: str, tmp_path: Path) -> None:
    report = scores()
    report["beside"]["golden"]["wrong"] = wrong
    found = {item["gate"]: item for item in judged(report, tmp_path, golden_errors=0.0)["gates"]}
    assert found["golden_errors"]["status"] == status
    del report["beside"]["golden"]
    found = {item["gate"]: item for item in judged(report, tmp_path, golden_errors=0.0)["gates"]}
    assert found["golden_errors"]["status"] == "pass"


@pytest.mark.parametrize(("speed", "status"), [({}, "not_enough_evidence"), (0.2, "pass"), (0.6, "fail")])
@pytest.mark.parametrize("name", ["latency_p50", "latency_p95"])
def test_latency_must_stay_below_its_bound(name: str, speed: Any, status: str, tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text(json.dumps(scores()), encoding="utf-8")
    (tmp_path / "speed.json").write_text(json.dumps({"chosen": {name: speed} if speed else {}}), encoding="utf-8")
    params = gate.GateParams(primary="slot_f1", threshold=0.8, gates={name: 0.5})
    inputs = gate.Inputs(tmp_path / "scores.json", tmp_path / "speed.json")
    gate.run(inputs, params, gate.Outputs(tmp_path / "verdict.json"))
    found = json.loads((tmp_path / "verdict.json").read_text(encoding="utf-8"))["gates"]
    assert {item["gate"]: item["status"] for item in found}[name] == status


@pytest.mark.parametrize(("versions", "status"), [({"test": "ab" * 32}, "pass"), ({}, "fail")])
def test_the_rows_that_decided_are_named_by_their_hash(versions: dict[str, str], status: str, tmp_path: Path) -> None:
    found = judged({**scores(), "versions": versions}, tmp_path, dataset_recorded=1.0)["gates"]
    assert {item["gate"]: item["status"] for item in found}["dataset_recorded"] == status


@pytest.mark.parametrize(("value", "status"), [(0.999, "pass"), (0.99, "fail"), (None, "not_enough_evidence")])
def test_whether_answers_can_be_read_is_judged_by_its_value(value: float | None, status: str, tmp_path: Path) -> None:
    report = scores()
    if value is not None:
        report["systems"]["q4"]["parse_rate"] = figure(value, 0.5)
    found = judged(report, tmp_path, parse_rate=0.995)["gates"]
    assert {item["gate"]: item["status"] for item in found}["parse_rate"] == status


# ---------------------------------------------------------------- what answering costs


@pytest.mark.parametrize(
    ("hour", "status", "reason"),
    [
        (0.36, "pass", "0.0500 a thousand requests; allowed 0.05"),
        (0.37, "fail", "0.0514 a thousand requests; allowed 0.05"),
        (None, "not_enough_evidence", "an hour of the serving machine has no price"),
    ],
)
def test_a_thousand_requests_may_cost_so_much(hour: float | None, status: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text(json.dumps(scores()), encoding="utf-8")
    (tmp_path / "speed.json").write_text(json.dumps({"chosen": {"rows_per_second": 2.0}}), encoding="utf-8")
    params = gate.GateParams(primary="slot_f1", threshold=0.8, gates={"cost_per_1000": 0.05}, hour=hour)
    inputs = gate.Inputs(tmp_path / "scores.json", tmp_path / "speed.json")
    gate.run(inputs, params, gate.Outputs(tmp_path / "verdict.json"))
    found = json.loads((tmp_path / "verdict.json").read_text(encoding="utf-8"))["gates"][0]
    assert (found["gate"], found["status"], found["reason"]) == ("cost_per_1000", status, reason)
