"""What a training may ask of a GPU: Liger's kernels, and operations that round the same each time."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stages.diagnostics import fail


@contextmanager
def deterministic(wanted: bool | None) -> Iterator[None]:
    """Inside, torch takes the operations that give the same bytes on the same machine, and refuses what has none. On a
    CPU they do so anyway."""
    import torch

    if not wanted:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read by cuBLAS when it is first used
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def add_liger(model: Any, wanted: bool | None) -> None:
    """Replace norms, rotary positions and gated layers by Liger's kernels, in place. Raises T805 where they cannot run.

    The loss stays ours: it makes logits for learned tokens alone, which Liger's does not.
    Source: Hsu et al. 2024 (Liger Kernel).
    """
    if not wanted:
        return
    if importlib.util.find_spec("liger_kernel") is None or model.device.type != "cuda":
        what = "a GPU" if model.device.type != "cuda" else "the package liger-kernel"
        help = "pip install liger-kernel on a machine with a GPU, or take training.liger out"
        raise fail("T805", f"training.liger needs {what}, which is not here", help=help, key="training.liger")
    from liger_kernel.transformers import _apply_liger_kernel_to_instance

    _apply_liger_kernel_to_instance(model=model, fused_linear_cross_entropy=False, cross_entropy=False)
