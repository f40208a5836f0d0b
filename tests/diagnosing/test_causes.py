"""Each cause, planted in a build that is healthy otherwise, is the first that is claimed; and nothing is in a healthy
one.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from stages.rows import row_id
from tests.diagnosing.made import HEALTHY_CURVE, WORDS, Made, asked, tunec
from tunec.compiling import compile_here
from tunec.diagnosing.cause import Cause, Sign, strength, weigh
from tunec.diagnosing.diagnosing import causes

Plant = Callable[[Made], None]


def label_noise(m: Made) -> None:
    rng = random.Random(1)
    for place in rng.sample(range(len(m.train)), len(m.train) // 5):
        others = [label for label in WORDS if label != m.train[place].output]
        m.train[place] = replace(m.train[place], output=rng.choice(others))


def leak(m: Made) -> None:
    for one in m.dev[::3]:
        given = {"text": f"Hello, {one.input['text'].upper()}!"}
        m.train.append(replace(one, id=row_id(given, one.output), input=given))


def wrong_template(m: Made) -> None:
    m.training["signals"] = {"wrong_template": {"seen": "the tokenizer has no token of its own for <|x|>"}}


def rate_too_high(m: Made) -> None:
    m.curve = [2.0] + [4.0 + (step % 7) for step in range(99)]


def rate_too_low(m: Made) -> None:
    m.curve = [2.0 - 0.0005 * step for step in range(100)]


def too_many_epochs(m: Made) -> None:
    m.task = m.task.replace("epochs: 2", "epochs: 20")
    m.training |= {"dev_loss": 0.9, "train_loss": 0.01}


def rising_dev_loss(m: Made) -> None:
    m.task = m.task.replace("epochs: 2", "epochs: 3, dev: {checks: 4, keep: last}")


def truncation(m: Made) -> None:
    for one in m.dev[::2]:
        m.said[one.id] = {"text": str(one.output)[:2], "free": str(one.output)[:2], "finish": "length"}


def missing_label(m: Made) -> None:
    m.train = [one for one in m.train if one.output != "rate"]


def conflicting_labels(m: Made) -> None:
    twins = [one for one in m.train if one.output == "card"][:40]
    m.train += [replace(one, id=f"{place:012x}", output="refund") for place, one in enumerate(twins)]


def shift(m: Made) -> None:
    letter = "dear madam or sir a customer of many years writes to you about {} with kind regards and good wishes"
    m.dev = [replace(one, input={"text": letter.format(one.input["text"])}) for one in m.dev]


def quantization(m: Made) -> None:
    m.drop = 0.12


def stop_untrained(m: Made) -> None:
    for one in m.dev:
        m.said[one.id] = {"free": f"{one.output} and then card and then refund"}


def prose(m: Made) -> None:
    for one in m.dev:
        m.said[one.id] = {"free": f"Sure! The answer is {one.output}."}


def prose_in_rows(m: Made) -> None:
    m.raw = [{"text": "a b c", "output": f"The answer is {label}, I think."} for label in WORDS] * 30
    m.rejected = [
        {"file": "data/raw/rows.jsonl", "line": line, "gate": "contract", "reason": "none of"} for line in range(1, 121)
    ]
    m.data = {"read": 400, "rejected": 120}


def duplicates(m: Made) -> None:
    m.data = {"read": 1000, "accepted": 380, "rejected": 620, "duplicates": 600, "gates": {"near": {"rejected": 20}}}


def too_few_rows(m: Made) -> None:
    m.train = m.train[::12]
    for place, one in enumerate(m.dev):
        if place % 2:
            m.wrong(
                one, list(WORDS)[place % 4] if list(WORDS)[place % 4] != one.output else list(WORDS)[(place + 1) % 4]
            )


def cut_short(m: Made) -> None:
    too_few_rows(m)
    m.task = m.task.replace("epochs: 2", "epochs: 8, budget: {steps: 6}")
    m.curve = m.curve[:6]


def cut_by_the_clock(m: Made) -> None:
    too_few_rows(m)
    m.task = m.task.replace("epochs: 2", "epochs: 8, budget: {minutes: 2}")
    m.training["stopped"] = "training.budget.minutes (2) are spent"
    m.curve = m.curve[:6]


def forgetting(m: Made) -> None:
    m.training["general_loss"] = {"before": 2.0, "after": 3.1}


def export(m: Made) -> None:
    m.checks = {"template": False, "tokens": 9}


def confusable_pair(m: Made) -> None:
    for one in [one for one in m.dev if one.output == "card"][:14]:
        m.wrong(one, "refund")


FAULTS: dict[str, tuple[Plant, ...]] = {
    "label_noise": (label_noise,),
    "leak": (leak,),
    "wrong_template": (wrong_template,),
    "rate_too_high": (rate_too_high,),
    "rate_too_low": (rate_too_low,),
    "too_many_epochs": (too_many_epochs,),
    "truncation": (truncation,),
    "missing_label": (missing_label,),
    "conflicting_labels": (conflicting_labels,),
    "shift": (shift,),
    "quantization": (quantization,),
    "stop_untrained": (stop_untrained,),
    "prose": (prose, prose_in_rows),
    "duplicates": (duplicates,),
    "too_few_rows": (too_few_rows,),
    "cut_short": (cut_short, cut_by_the_clock),
    "forgetting": (forgetting,),
    "export": (export,),
    "confusable_pair": (confusable_pair,),
}
CASES = [pytest.param(cause, plant, id=plant.__name__) for cause, plants in FAULTS.items() for plant in plants]


@pytest.mark.parametrize(("cause", "plant"), CASES)
def test_a_planted_cause_is_the_first(cause: str, plant: Plant, tmp_path: Path) -> None:
    made = Made(tmp_path)
    plant(made)
    found = asked(made.write().root, "diagnose")
    claimed = [(one["name"], one["evidence"]) for one in found["causes"]]
    assert claimed and claimed[0][0] == cause, found
    first = found["causes"][0]
    assert first["signs"][0]["figure"] and first["experiment"] and first["fix"]
    assert first["patch"] or first["command"]


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_claimed_of_a_healthy_build(seed: int, tmp_path: Path) -> None:
    found = asked(Made(tmp_path, seed).write().root, "diagnose")
    assert found["causes"] == [] and found["symptoms"] == []


def test_every_cause_is_planted_here() -> None:
    assert set(causes()) == set(FAULTS)


def test_a_dev_loss_that_rose_again_speaks_for_too_many_epochs(tmp_path: Path) -> None:
    made = Made(tmp_path)
    rising_dev_loss(made)
    made.write()
    curve = tmp_path / "build/train-smollm2-135m-r16/curve.csv"
    lines = [
        f"{step},{loss:.4f},{0.4 if step == 30 else 0.7 if step == 100 else ''}"
        for step, loss in enumerate(HEALTHY_CURVE, 1)
    ]
    curve.write_text("step,loss,dev_loss\n" + "\n".join(lines) + "\n", encoding="utf-8")
    assert [one["name"] for one in asked(tmp_path, "diagnose")["causes"]] == ["too_many_epochs"]


@pytest.mark.parametrize(("plant", "key"), [(cut_short, "steps"), (cut_by_the_clock, "minutes")])
def test_a_budget_that_cut_a_training_short_is_raised_and_rows_are_not_blamed(
    plant: Plant, key: str, tmp_path: Path
) -> None:
    made = Made(tmp_path)
    plant(made)
    found = asked(made.write().root, "diagnose")
    assert [one["name"] for one in found["causes"]] == ["cut_short"]
    tunec(tmp_path, "diagnose", "--apply", "cut_short")
    patched = compile_here(tmp_path, [])[0].task.training.budget
    assert getattr(patched, key) == found["causes"][0]["patch"][f"training.budget.{key}"] > 6
    if key == "steps":
        assert patched.steps == 8 * math.ceil(len(made.train) / 8) > len(made.train), (
            "the last batch of an epoch is small"
        )


def test_a_budget_that_took_nothing_that_could_be_learnt_is_not_blamed(tmp_path: Path) -> None:
    made = Made(tmp_path)
    cut_short(made)
    made.curve = [0.4] * 6
    claimed = [one["name"] for one in asked(made.write().root, "diagnose")["causes"]]
    assert "cut_short" not in claimed and "too_few_rows" in claimed


def test_the_doubted_rows_are_those_that_were_mislabelled(tmp_path: Path) -> None:
    made, clean = Made(tmp_path), {one.id: one.output for one in Made(tmp_path).train}
    label_noise(made)
    planted = {one.id for one in made.train if one.output != clean[one.id]}
    sign = asked(made.write().root, "diagnose")["causes"][0]["signs"][0]
    doubted = set(sign["rows"])
    assert len(doubted & planted) > 0.8 * len(doubted) and len(doubted & planted) > 0.5 * len(planted)


@given(value=some.floats(), low=some.floats(0, 10), width=some.floats(0.01, 10))
def test_strength_is_a_share_and_never_certainty(value: float, low: float, width: float) -> None:
    assert 0 <= strength(value, low, low + width) < 1
    assert 0 <= strength(value, low + width, low) < 1


@given(some.lists(some.floats(0, 0.95), max_size=6))
def test_more_signs_never_weigh_less(strengths: list[float]) -> None:
    def evidence(of: list[float]) -> float:
        cause = Cause("a", "a", lambda build: (Sign("x", one) for one in of), lambda build: "", "", 1)
        return weigh(cause, None).evidence  # type: ignore[arg-type]

    assert all(evidence(strengths) >= evidence(strengths[:place]) - 1e-9 for place in range(len(strengths)))
    assert evidence(strengths) >= max(strengths, default=0) - 1e-9 and evidence(strengths) < 1
