"""What is asked of a GPU, as far as a machine without one can show it."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from stages import gpu, learning
from stages.diagnostics import UserError
from tests.stages.teaching import Learn

FEW = {"count": 8, "epochs": 1.0}


def test_deterministic_operations_are_asked_for_while_it_trains_and_not_after(
    learn: Learn, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    seen: list[bool] = []
    real = learning.run
    monkeypatch.setattr(
        learning, "run", lambda *given: seen.append(torch.are_deterministic_algorithms_enabled()) or real(*given)
    )
    learn("sft", "lora", **FEW)
    learn("sft", "lora", **FEW, deterministic=True)
    assert seen == [False, True] and not torch.are_deterministic_algorithms_enabled()


def test_liger_without_a_gpu_is_refused(learn: Learn) -> None:
    with pytest.raises(UserError) as refused:
        learn("sft", "lora", **FEW, liger=True)
    (found,) = refused.value.diagnostics
    assert (found.code, found.key) == ("T805", "training.liger") and found.help


def test_liger_leaves_the_loss_to_us(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    fake = SimpleNamespace(_apply_liger_kernel_to_instance=lambda **given: asked.append(given))
    monkeypatch.setitem(sys.modules, "liger_kernel.transformers", fake)
    monkeypatch.setattr(gpu.importlib.util, "find_spec", lambda name: SimpleNamespace())
    model = SimpleNamespace(device=SimpleNamespace(type="cuda"))
    gpu.add_liger(model, None)
    gpu.add_liger(model, True)
    assert asked == [{"model": model, "fused_linear_cross_entropy": False, "cross_entropy": False}]
    monkeypatch.setattr(gpu.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError):
        gpu.add_liger(model, True)
