"""Several seeds: a sweep over `training.seed` gives one variant a seed, and the report their mean and spread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from stages.report import SEED, spread
from tests.compiling import MINIMAL, compiled

TEXT = f"{MINIMAL}sweep: {{training.seed: [0, 1, 2], training.lora.r: [8, 16]}}\n"


def figures(swept: Mapping[str, Any]) -> dict[str, Any]:
    """Dev figures of f16 files: of rank 8 they rise with the seed, of rank 16 they are all alike."""
    rising = {name: 0.7 + 0.05 * of["training.seed"] * (of.get("training.lora.r") == 8) for name, of in swept.items()}
    return {f"{name}-f16": {"slot_f1": {"value": value}} for name, value in rising.items()}


def swept(text: str) -> dict[str, Any]:
    """What the report is told of a sweep."""
    return dict(compiled(text).plan["report"].params["swept"])


def test_a_sweep_over_seeds_trains_a_variant_a_seed_and_shares_the_rest() -> None:
    stages = [instance.name for instance in compiled(TEXT).plan.instances]
    assert sum(name.startswith("train-") for name in stages) == 6
    assert sum(name.startswith(("splits", "data", "baseline-prompted")) for name in stages) == 3


def test_seeds_of_one_variant_have_their_mean_and_standard_deviation() -> None:
    """The task's own seed too, though no seed stands in that variant's name."""
    told = swept(TEXT)
    found = {item["variant"]: item for item in spread(figures(told), told, "slot_f1")}
    assert found["smollm2-135m-r8"] == {
        "variant": "smollm2-135m-r8",
        "seeds": 3,
        "mean": pytest.approx(0.75),
        "spread": pytest.approx(0.05),
    }
    assert found["smollm2-135m-r16"]["spread"] == 0 and len(found) == 2


@pytest.mark.parametrize("sweep", ["training.seed: [1, 2]", "training.lora.r: [8, 16]"])
def test_variants_that_differ_otherwise_are_no_seeds(sweep: str) -> None:
    told = swept(f"{MINIMAL}sweep: {{{sweep}}}\n")
    assert len(spread(figures({name: {SEED: 0, **of} for name, of in told.items()}), told, "slot_f1")) == (
        "seed" in sweep
    )


def test_one_seed_has_no_spread() -> None:
    told = {"m-r8": {SEED: 0, "training.lora.r": 8}, "m-r16": {SEED: 0, "training.lora.r": 16}}
    assert spread(figures(told), told, "slot_f1") == [] == spread({}, {}, "slot_f1")
