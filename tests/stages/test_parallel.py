"""One training on two processes: what it learns is what one process learns. Here they are CPU processes, joined by
gloo; on GPUs the same code is joined by NCCL.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages import checkpoints, parallel, progress
from stages.diagnostics import UserError
from stages.parallel import part
from stages.rows import read_json
from stages.train import Outputs
from tests.often import often
from tests.stages.teaching import Learn, series
from tests.stages.test_matrix import content

ROOT = Path(__file__).parents[2]
FEW = {"count": 22, "epochs": 1.0}  # the last step has rows for one and a half of a process


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let trainings run on two processes from now on; an empty name: on one."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def on(how: str) -> None:
        monkeypatch.setenv(parallel.ASKED, f"{how}:2" if how else "")

    return on


CASES = [("sft", "lora", "ddp"), ("sft", "lora", "fsdp"), ("sft", "full", "fsdp"), ("sft", "qlora", "ddp")]
CASES += [("dpo", "lora", "ddp"), ("dpo", "lora", "fsdp"), ("cpt", "lora", "ddp"), ("orpo", "lora", "ddp")]
CASES += [("kto", "lora", "ddp"), ("kto", "lora", "fsdp"), ("orpo", "lora", "fsdp")]
CASES += [("sft", "full", "ddp"), ("cpt", "full", "fsdp"), ("dpo", "full", "fsdp"), ("dpo", "qlora", "ddp")]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "adapter", "how"), often(CASES, {("sft", "lora", "ddp")}))
def test_two_processes_learn_what_one_learns(method: str, adapter: str, how: str, on: Any, learn: Learn) -> None:
    """Step by step, for both have the same rows in each. A loss that is no plain mean over rows may differ a little."""
    given: dict[str, Any] = {**FEW, "dev": {"checks": 2}, "signals": {"suspects": 10}}
    on("")
    one = learn(method, adapter, **given)
    on(how)
    two = learn(method, adapter, **given)
    assert sorted(file.name for file in two.adapter.iterdir()) == sorted(file.name for file in one.adapter.iterdir())
    near = 0.02 if method == "orpo" else 1e-3
    assert series(two, "loss") == pytest.approx(series(one, "loss"), rel=near)
    assert series(two, "grad_norm") == pytest.approx(series(one, "grad_norm"), rel=0.05)
    said = [read_json(out.report) for out in (one, two)]
    assert said[1]["dev_loss"] == pytest.approx(said[0]["dev_loss"], rel=near)
    assert said[0].keys() == said[1].keys()


@pytest.mark.slow
def test_a_refusal_in_a_process_is_the_stage_s(on: Any, learn: Learn) -> None:
    on("ddp")
    with pytest.raises(UserError) as refused:
        learn("sft", "lora", **FEW, max_length=20)
    assert refused.value.diagnostics[0].code == "T340" and refused.value.diagnostics[0].notes


@pytest.mark.thorough
@pytest.mark.parametrize("how", ["ddp", "fsdp"])
def test_cut_off_on_two_processes_it_goes_on_to_the_same_bytes(
    how: str, on: Any, learn: Learn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "MODULE", "tests.stages.rank_often")
    lora = {"r": 4, "alpha": 8, "dropout": 0.1, "target_modules": "all-linear"}
    on(how)
    whole = learn("sft", "lora", **FEW, lora=lora)
    checkpoints.keep_at(lambda: tmp_path / "train" / "key")
    told: list[int] = []

    def cut(done: int, total: int | None, note: str) -> None:
        if "tok/s" in note:
            told.append(done)
            if done == 4:
                raise KeyboardInterrupt

    progress.listen(cut)
    try:
        with pytest.raises(KeyboardInterrupt):
            learn("sft", "lora", **FEW, lora=lora)
        assert sorted(tmp_path.glob("train/key/step-*"))
        told.clear()
        progress.listen(lambda done, total, note: told.append(done) if "tok/s" in note else None)
        again: Outputs = learn("sft", "lora", **FEW, lora=lora)
    finally:
        progress.listen(progress._nobody)
        checkpoints.keep_at(None)
    assert told[0] > 1, "it began anew"
    assert content(again) == content(whole)


def test_without_gpus_the_number_of_processes_has_to_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setenv(parallel.ASKED, "ddp:")
    with pytest.raises(UserError) as refused:
        parallel.asked()
    assert [found.code for found in refused.value.diagnostics] == ["T802"] and refused.value.diagnostics[0].help
    monkeypatch.setenv(parallel.ASKED, "ddp:3")
    assert parallel.asked() == ("ddp", 3)
    monkeypatch.setenv(parallel.ASKED, "")
    assert parallel.asked() is None


def test_on_gpus_there_is_a_process_for_each_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setenv(parallel.ASKED, "fsdp:")
    assert parallel.asked() == ("fsdp", 4)
    monkeypatch.setenv(parallel.ASKED, "ddp:8")
    with pytest.raises(UserError) as refused:
        parallel.asked()
    assert [found.code for found in refused.value.diagnostics] == ["T802"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv(parallel.ASKED, "ddp:")
    assert parallel.asked() is None, "one process needs no other"


@given(st.lists(st.integers(0, 999), min_size=1, max_size=40, unique=True), st.integers(2, 8))
def test_the_processes_part_every_step_and_none_has_nothing_to_do(step: list[int], processes: int) -> None:
    parts = [part(step, rank, processes) for rank in range(processes)]
    assert all(parts) and {row for one in parts for row in one} == set(step)
    if len(step) >= processes:
        assert sorted(row for one in parts for row in one) == sorted(step)
        assert max(map(len, parts)) == math.ceil(len(step) / processes) <= min(map(len, parts)) + 1
