"""A trial of a training foretells the whole: what it asks, what it counts, and that it begins as the stage begins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages import kernels, learning, memory, peaks
from stages.diagnostics import UserError
from stages.methods import sft
from stages.rows import write_rows
from stages.supervision import Example
from tests.stages.test_train import params, row
from tunec.advising import calibrating
from tunec.advising.calibrating import Tried, calibrated, trial

ROOT = Path(__file__).parents[2]
PRODUCTS = """\
import os, sys, torch
from stages import kernels, peaks

if sys.argv[1] == "few":
    kernels.keep_few()
torch.set_num_threads(1)
torch.backends.mkldnn.matmul.fp32_precision = "bf16"
weight = torch.randn(576, 576)
for rows in (100, 104):
    torch.ones(rows, 576) @ weight
peak = peaks.watched()
for rows in range(108, 908, 4):
    torch.ones(rows, 576) @ weight
print(peak())
"""


@pytest.fixture
def inputs(tiny: Path, tmp_path: Path) -> dict[str, str]:
    write_rows(tmp_path / "train.jsonl", [row(n) for n in range(80)])
    write_rows(tmp_path / "dev.jsonl", [row(n) for n in range(100, 140)])
    return {"train": str(tmp_path / "train.jsonl"), "dev": str(tmp_path / "dev.jsonl"), "model": str(tiny)}


def tried(inputs: dict[str, str], **changed: Any) -> Tried:
    return trial(inputs, params(**changed).model_dump())


def test_memory_counts_what_the_dev_loss_takes(inputs: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    before = int(peaks.of_process() or 0)
    real = sft.mean_loss

    def greedy(model: Any, rows: list[Example], *rest: Any) -> float:
        asked.append(len(rows))
        bytearray(before + 100_000_000)  # more than anything in this process ever took
        return real(model, rows, *rest)

    monkeypatch.setattr(sft, "mean_loss", greedy)
    found = tried(inputs)
    assert asked == [16], "a batch of the longest dev rows is asked, once"
    assert found.memory is not None and found.memory > before + 100_000_000 and found.gpu is None


def test_time_counts_every_look_at_dev(inputs: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    real = sft.mean_loss

    def slow(*given: Any) -> float:
        nonlocal now
        now += 1_000.0
        return real(*given)

    monkeypatch.setattr(sft, "mean_loss", slow)
    monkeypatch.setattr(calibrating.time, "monotonic", lambda: now)
    once, thrice = (tried(inputs, dev={"checks": checks}).seconds for checks in (0, 3))
    assert 2_000 < once < 3_000, "40 rows take as long as their tokens, of which the longest 16 have their share"
    assert thrice == pytest.approx(3 * once, abs=0.2)
    assert tried(inputs, rate_probe=2).seconds == pytest.approx(4 * once, abs=0.2)
    assert tried(inputs, budget={"minutes": 1.0}).seconds == 60.0


def test_a_budget_of_steps_is_what_is_tried(inputs: dict[str, str]) -> None:
    assert tried(inputs).steps == 12
    assert tried(inputs, budget={"steps": 3}).steps == 3


@pytest.mark.parametrize(
    ("at_once", "computed"), [(None, 8 + 4 * 12), (2, (8 + 2 * 1) + (8 + 2 * 12)), (1, 4 * 8 + 1 + 1 + 4 + 12)]
)
def test_rows_are_padded_to_the_longest_that_is_computed_with_them(at_once: int | None, computed: int) -> None:
    ready = SimpleNamespace(trainer=SimpleNamespace(shared=8, at_once=at_once), lengths=[9, 9, 12, 20])
    assert calibrating._tokens(ready, [0, 1, 2, 3]) == computed


def test_the_trial_does_what_the_stage_does_where_memory_is_short(
    inputs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    needs: list[memory.Need] = []
    thrifty: list[bool] = []
    real, run = memory.needed, learning.run
    monkeypatch.setattr(memory, "needed", lambda ready: needs.append(real(ready)) or needs[-1])
    monkeypatch.setattr(
        learning,
        "run",
        lambda trainer, *parts: thrifty.append(trainer.model.is_gradient_checkpointing) or run(trainer, *parts),
    )
    tried(inputs)
    monkeypatch.setattr(memory, "available", lambda device: round((needs[0].twice + needs[0].kept) / 2 / memory.SPARE))
    tried(inputs)
    assert thrifty == [False, True]
    monkeypatch.setattr(memory, "available", lambda device: 1000)
    with pytest.raises(UserError) as refused:
        tried(inputs)
    assert [found.code for found in refused.value.diagnostics] == ["T665"]


def test_what_the_stage_refuses_is_told_by_its_code(inputs: dict[str, str], tmp_path: Path) -> None:
    given = params().model_dump()
    instance = SimpleNamespace(inputs=inputs, params=given)
    found = calibrated(tmp_path, instance)
    assert isinstance(found, Tried) and found.steps == 12 and found.memory is not None
    refused = calibrated(tmp_path, SimpleNamespace(inputs=inputs, params=given | {"liger": True}))
    assert isinstance(refused, str) and "T805" in refused


# ---------------------------------------------------------------- what keeps the figure steady


@pytest.mark.parametrize("learned", [10, 40])
def test_dev_rows_are_asked_so_that_their_logits_have_room(learned: int) -> None:
    rows = [Example(str(n), [1, 2], [3] * n) for n in (1, 9, 9, 9, 9, 30)]
    parts = list(sft._at_once(rows, 3, learned))
    assert [one for part in parts for one in part] == rows
    assert all(len(part) <= 3 and (len(part) == 1 or sum(len(one.answer) for one in part) <= learned) for part in parts)
    assert [len(part) for part in parts] == ([2, 1, 1, 1, 1] if learned == 10 else [3, 2, 1])


@pytest.mark.skipif(sys.platform != "linux", reason="this system tells no peak")
def test_kernels_of_every_length_are_not_kept() -> None:
    def most(how: str) -> int:
        command = [sys.executable, "-c", PRODUCTS, how]
        env = {name: value for name, value in os.environ.items() if name not in kernels._CACHES}
        return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=env).stdout)

    all, few = most("all"), most("few")
    if all < 60_000_000:
        pytest.skip("this processor needs no kernel for each length")
    assert few < all / 2
