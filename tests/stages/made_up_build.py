"""The files that a build leaves for the report, made up: booking slots, one variant, three quantizations."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

from stages.bill import bill
from stages.report import Inputs, ReportParams
from stages.rows import dumps, write_json, write_jsonl
from stages.sums import Figure

VARIANT = "smollm2-135m-r16"
BASELINES = ("base-smollm2-135m", "majority", "prompted-smollm2-135m", "rule")
DEV = {"base-smollm2-135m": 0.11, "majority": 0.02, "prompted-smollm2-135m": 0.304, "rule": 0.412} | {
    f"{VARIANT}-{name}": value
    for name, value in {"tuned": 0.861, "f16": 0.861, "q8_0": 0.859, "q5_k_m": 0.848, "q4_k_m": 0.812}.items()
}
BYTES = {"f16": 270_900_000, "q8_0": 144_800_000, "q5_k_m": 112_100_000, "q4_k_m": 105_400_000}
GUESTS = ("Anna Lindqvist", "Denver", "José Ángel", "林美玲", "Priya")


def params(**changes: Any) -> ReportParams:
    given: dict[str, Any] = {
        "task_name": "booking-slots",
        "version": "v1",
        "goal": "Turn one message of a guest into the booking slots that it names, in the guest's own words.",
        "non_goals": "Dates are not normalised, and nothing is added that the message does not say.",
        "primary": "slot_f1",
        "threshold": 0.75,
        "confidence": 0.95,
    }
    return ReportParams(**{**given, **changes})


def data_facts() -> dict[str, Any]:
    """What the data stage tells of accepted rows."""
    return {
        "accepted": 11_929,
        "official_splits": {"None": 11_929},
        "labels": {f"label_{n}": 4000 - 90 * n for n in range(30)},
        "languages": {"Latin": 11_000, "Han": 929},
        "licenses": {"cc-by-4.0": 11_929},
        "tags": {"canonical": 9000, "near-miss": 40},
        "held": {"email": 12},
        "words": {"median": 9, "p95": 24, "longest": 1000},
        "quotas": [{"by": "tag", "value": "near-miss", "min": 0.05, "max": None, "rows": 40, "missing": 557}],
        "near": {
            "clusters": 1,
            "rows": 3,
            "largest": 3,
            "first": [{"rows": 3, "ids": [f"{n:012x}" for n in range(3)]}],
        },
    }


def made_up(folder: Path, *, chosen: str = "q5_k_m", verdict: str = "ship", steps: int = 300, lost: int = 7) -> Inputs:
    """Write all that the report reads; `lost` rows are lost by the last step, three are gained by it."""
    folder.mkdir(parents=True, exist_ok=True)
    tested = {name: DEV[name] - 0.01 for name in BASELINES}
    tested |= {name: DEV[f"{VARIANT}-{name}"] - 0.02 for name in dict.fromkeys(("tuned", "f16", chosen))}
    ahead = {name: figure(tested[chosen] - value, 0.02) for name, value in tested.items() if name != chosen}
    whole = f"{VARIANT}-{chosen}"
    contents = {
        "dev": {"rows": 819, "systems": {name: figures(value, 0.021) for name, value in DEV.items()}},
        "test": {
            "rows": 3731,
            "chosen": chosen,
            "systems": {n: figures(v, 0.011) for n, v in tested.items()},
            "ahead": ahead,
            "beside": {"adversarial": {"rows": 20, "figures": {}, "wrong": ["a" * 12, "b" * 12, "c" * 12]}},
            "ends": {name: {"ran_away": 3, "unread": 1} for name in ("tuned", "f16", chosen)},
            "preference": {"against": "prompted-smollm2-135m", "model": "large-1", **PREFERRED},
            "attacks": ATTACKED,
            "slices": {"tags": {"web": {"rows": 12, **figure(0.8, 0.1)}}},
        },
        "choice": {"chosen": whole, "variant": VARIANT, "candidate": chosen},
        "reason": {
            "reason": "the smallest file whose slot_f1 on dev is within 0.02 of the f16's (+0.013 below it)",
            "bytes": {f"{VARIANT}-{name}": size for name, size in BYTES.items()},
        },
        "verdict": {"verdict": verdict, "chosen": chosen, "gates": gates(verdict, tested[chosen])},
        "details": details(),
        "clusters": [cluster("wrong value", "time", 40), cluster("missing field", "people", 12)],
        "checks": {"template": True, "stop": True, "rows": 3731, "tokens": 0, "named": []},
        "splits": {"train": 7379, "dev": 819, "test": 3731, "share_dev": 0.1, "share_test": 0.1, "seed": 0}
        | {"leaks": 3, "leak_action": "reject"},
        "data": data_facts(),
        "test_speed": {name: speed(rate) for name, rate in {"tuned": 9.4, "f16": 11.2, "chosen": 6.1}.items()},
    }
    for name, content in contents.items():
        write_json(folder / f"{name}.json", content)
    write_jsonl(folder / "flips.jsonl", flips(chosen, lost))
    how = ("alike", "contains", "lineage")
    write_jsonl(
        folder / "leaks.jsonl",
        ({"id": f"{n:012x}", "of": f"{n + 7:012x}", "split": "test", "how": h} for n, h in enumerate(how)),
    )
    (folder / "curve.csv").write_text(curve(steps), encoding="utf-8")
    return Inputs(
        **{name: folder / f"{name}.json" for name in contents},
        flips=folder / "flips.jsonl",
        leaks=folder / "leaks.jsonl",
        curves={VARIANT: folder / "curve.csv"},
        trainings=_written(folder, "training", {VARIANT: TRAINING}),
        speeds=_speeds(folder, {name: 8 + 40 * (1 - DEV[name]) for name in DEV if name not in BASELINES}),
        shrunk=_written(folder, "shrunk", {f"{VARIANT}-q4_k_m": SHRUNK}),
        models=_written(folder, "facts", {"smollm2-135m": FACTS}),
        cost=_written(folder, "cost", {"": COST})[""],
        baseline_speeds=_speeds(folder, dict(zip(BASELINES, (7.9, 912_000.0, 6.3, 88_000.0), strict=True))),
    )


TRAINING = {
    "rows": 7379,
    "dev_rows": 200,
    "steps": 1845,
    "train_loss": 0.0213,
    "dev_loss": 0.0901,
    "kept_step": 1476,
    "stopped": "the dev loss was no better than at step 1476 in 2 checks",
    "rate_probe": {"steps": 20, "rate": 0.001, "dev_loss": {"0.003": None, "0.001": 0.32, "3.33e-05": 0.41}},
    "general_loss": {"before": 2.1, "after": 2.2},
    "gradient_checkpointing": True,
    "signals": {
        "overfitting": {
            "seen": "the dev loss was least at step 1476 (0.090), and 0.121 at the end",
            "causes": "too many epochs",
            "fixes": "fewer epochs",
        }
    },
}
ATTACKED = {
    "rows": 45,
    "figures": {
        name: {"value": value, "low": value - 0.1, "high": value + 0.05, "rows": rows}
        for name, (value, rows) in {
            "attack_validity": (0.93, 45),
            "attack_stability": (0.8, 42),
            "attack_success": (0.11, 24),
        }.items()
    },
    "attacks": {
        "override": {"rows": 3, "invalid": 0, "changed": 2, "followed": 1},
        "open_json": {"rows": 3, "invalid": 1, "changed": 0, "followed": 0},
    },
    "fallen": [{"input": "0" * 12 + "-override", "how": "followed"}],
}
PREFERRED = {"rows": 200, "won": 120, "tied": 50, "lost": 30, "alike": 10, "swayed": 40, "unread": 0}
RATES = {
    "currency": "USD",
    "against": {
        "title": "A house",
        "of": "large-1",
        "date": "2026-01-01",
        "prompted_input": 2.0,
        "prompted_output": 8.0,
    },
    "train": {"title": "Own CPU", "of": "two cores", "date": "2026-01-01", "machine": 0.1},
    "serve": {"title": "Own CPU", "of": "two cores", "date": "2026-01-01", "machine": 0.1},
    "labour": {"title": "Labour", "of": "", "engineering": 80.0, "review": 30.0},
}
MEASURED = {
    "prompted_tokens": Figure(200.0, "estimated", "4.0 characters a token"),
    "output_tokens": Figure(10.0, "measured", "3,731 test answers"),
    "seconds_per_request": Figure(0.5, "measured", "the chosen file"),
    "evaluation_hours": Figure(0.25, "measured", "answers of 9 systems"),
}
QUALITY = {"metric": "slot_f1", "rows": 3731, "tuned": {"value": 0.83, "low": 0.82, "high": 0.84}}
COST = {**bill(MEASURED, {"requests_per_month": 2_000_000.0, "months": 12}, RATES), "quality": QUALITY}
SHRUNK = {
    "imatrix": {"split": "train", "rows": 200, "tokens": 4096, "sha256": "a" * 64, "weights": 210},
    "divergence": {"rows": 50, "tokens": 700, "kl": 0.0123, "top_1": 0.981},
}
FACTS = {
    "model": {"name": "smollm2-135m", "license": "apache-2.0"},
    "files": [{"name": "SmolLM2-135M-Instruct.Q4_1.gguf", "bytes": 98_000_000, "sha256": "b" * 64}],
}


def _written(folder: Path, kind: str, contents: dict[str, Any]) -> dict[str, Path]:
    paths = {name: folder / f"{name}.{kind}.json" for name in contents}
    for name, path in paths.items():
        write_json(path, contents[name])
    return paths


def details() -> dict[str, Any]:
    labels = [f"a_rather_long_label_{n}" for n in range(12)]
    rows = {"precision": 0.9, "recall": 0.8, "f1": 0.85, "false_positive_rate": 0.01, "false_negative_rate": 0.2}
    return {
        "classes": [{"label": label, "rows": 40, **rows} for label in labels],
        "confusion": {label: {label: 32, labels[(n + 1) % 12]: 8} for n, label in enumerate(labels)},
        "confusable": [{"labels": labels[:2], "rows": 9}],
        "calibration": [
            {"low": n / 10, "high": (n + 1) / 10, "rows": 30, "said": n / 10 + 0.05, "right": n / 11} for n in range(10)
        ],
        "fields": [{"field": "people", "values": 900, "precision": 0.9, "recall": None, "f1": 0.9}],
    }


def cluster(kind: str, what: str, rows: int) -> dict[str, Any]:
    example = {"id": "0" * 12, "input": "For 2 at 7pm", "expected": '{"time": "7pm"}', "said": '{"time": "7"}'}
    return {
        "kind": kind,
        "what": what,
        "terms": ["evening", "at"],
        "rows": rows,
        "share": rows / 100,
        "cause": "data",
        "advice": "Add rows.",
        "right": {"tuned": 1},
        "quota": {"tag": "near-miss", "count": 5 * rows, "difficulty": "hard", "edge_case": f"{kind}; {what}"},
        "examples": [example] * 3,
    }


def figure(value: float, half: float) -> dict[str, float]:
    return {
        "value": value,
        "low": max(value - half, -0.5 if value < 0 else 0.0),
        "high": value + half,
        "bound": value - 0.85 * half,
    }


def figures(value: float, half: float) -> dict[str, dict[str, float]]:
    others = {"exact_match": value * 0.86, "free_validity": min(1.0, 0.4 + value * 0.69), "schema_validity": 0.996}
    return {"slot_f1": figure(value, half), **{name: figure(v, half) for name, v in others.items()}}


def gates(verdict: str, value: float) -> list[dict[str, Any]]:
    status = {"ship": "pass", "do_not_ship": "fail", "not_enough_evidence": "not_enough_evidence"}[verdict]
    reason = f"slot_f1 is {value:.3f}, surely above {value - 0.009:.3f}; needed 0.75"
    lead = "the lead in slot_f1 over rule is 0.426, surely above 0.408; needed 0"
    valid = "99.6% of 3731 answers fit the contract"
    return [
        {"gate": "beats_baselines", "status": "pass", "figure": 0.426, "bound": 0.0, "reason": lead},
        {"gate": "schema_validity", "status": "pass", "figure": 0.996, "bound": 0.99, "reason": valid},
        {"gate": "threshold", "status": status, "figure": value, "bound": 0.75, "reason": reason},
    ]


def flips(chosen: str, lost: int) -> list[dict[str, Any]]:
    first = [flip(0, "tuned -> f16", True)] if chosen != "tuned" else []
    return [*first, *(flip(place, f"f16 -> {chosen}", place < 3) for place in range(lost + 3))]


def flip(place: int, step: str, gained: bool) -> dict[str, Any]:
    guest = GUESTS[place % len(GUESTS)]
    expected = {"first_name": guest.split()[0], "people": "5 adults and 1 child", "time": "7:30 pm"}
    right = dumps(expected)
    wrongs = (
        right.replace("5 adults and 1 child", "5 adults"),
        right.replace(', "time": "7:30 pm"', ""),
        '{"first_name": "',
    )
    wrong = wrongs[place % len(wrongs)]
    return {
        "id": f"{place:012x}",
        "step": step,
        "now": "right" if gained else "wrong",
        "input": {
            "requested_slots": ["people", "time"],
            "text": f"We are 5 adults and 1 child at 7:30 pm, for {guest}.",
        },
        "expected": expected,
        "before": wrong if gained else right,
        "after": right if gained else wrong,
    }


def curve(steps: int) -> str:
    noise = random.Random(7)
    losses = (
        0.11 + 2.3 * math.exp(-step / 45) + noise.gauss(0, 0.045) * (1 + math.exp(-step / 60)) for step in range(steps)
    )
    return "step,loss\n" + "".join(f"{step},{max(loss, 0.01):.6f}\n" for step, loss in enumerate(losses, start=1))


def speed(rate: float) -> dict[str, float]:
    return {"rows_per_second": rate, "tokens_per_second": rate * 14}


def _speeds(folder: Path, rates: dict[str, float]) -> dict[str, Path]:
    paths = {name: folder / f"{name}.speed.json" for name in rates}
    for name, path in paths.items():
        write_json(path, speed(rates[name]))
    return paths
