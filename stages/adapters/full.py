"""Every weight of the base model is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages import adapter, parallel, weights
from stages.adapter import WHOLE
from stages.base_model import Located
from stages.catalog import Adapter
from stages.lessons import Lora


def load(located: Located, device: weights.Device) -> tuple[Any, Any]:
    """In float32 also on a GPU, which computes in bfloat16 all the same: small updates would be lost in it."""
    import torch

    return weights.load(located, device=device, dtype=torch.float32)


def add(model: Any, wanted: Lora) -> Any:
    return model.requires_grad_(True)


def write(model: Any, folder: Path) -> None:
    """The weights alone, each once, by name; config and tokenizer are the base model's."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: parallel.whole(p.detach()).float().cpu().contiguous() for name, p in sorted(model.named_parameters())
    }
    save_file(tensors, folder / WHOLE, metadata={"format": "pt"})


def go_on(model: Any, folder: Path) -> None:
    """Raises T387 for weights of another model."""
    adapter.add(model, folder)


ADAPTER = Adapter("full", "every weight of the base model", (), load, add, write, go_on)
