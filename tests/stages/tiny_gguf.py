"""The tiny random model as a GGUF, converted once a test process."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

from stages import export
from stages.chat import Piece, Prompt
from tests.tiny import tiny_model


@cache
def home() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tunec-tiny-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def tiny_folder() -> Path:
    """The tiny model with louder layers: as it comes it says the same to every prompt."""
    from safetensors.torch import load_file, save_file

    folder = tiny_model(home() / "base")
    weights = load_file(folder / "model.safetensors")
    louder = {name: weight * 4 if "_proj" in name else weight for name, weight in weights.items()}
    save_file(louder, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@cache
def tiny_gguf() -> Path:
    """Float16, by the converter that `export` uses."""
    target = home() / "tiny-f16.gguf"
    with export.converter(tiny_folder(), target, "tiny") as convert:
        convert()
    return target


def asked(*texts: str, system: str = "Answer with JSON.") -> list[Prompt]:
    """Prompts with a common beginning, named by their place."""
    turn = "<|im_start|>{}\n{}<|im_end|>\n"
    head, tail = turn.format("system", system), "<|im_start|>assistant\n"
    return [Prompt(str(n), (Piece(head + turn.format("user", text) + tail),)) for n, text in enumerate(texts)]


TEXTS = (
    "Table for two, please.",
    "13",
    "There will be 5 adults and 1 child on Friday at 7:30 pm, under the name Anna Lindqvist, if that is possible.",
    "noon",
    "餐廳 for 2 🍜",
    "Can I book a table for 11 people at noon on the 23rd of August?",
    "yes",
    "What is my balance?",
    "6 a.m.",
    "one, two, three, four, five, six, seven, eight",
    "no",
)


@cache
def tiny_adapter() -> Path:
    """A random LoRA adapter for `tiny_folder`, as PEFT writes one; strong enough to change answers."""
    import torch
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(3)
    shapes = {"self_attn.q_proj": (64, 64), "self_attn.v_proj": (64, 32), "mlp.down_proj": (128, 64)}
    tensors = {}
    for layer in range(2):
        for name, (inside, outside) in shapes.items():
            stem = f"base_model.model.model.layers.{layer}.{name}"
            tensors[f"{stem}.lora_A.weight"] = torch.randn(4, inside, generator=generator)
            tensors[f"{stem}.lora_B.weight"] = torch.randn(outside, 4, generator=generator) * 0.1
    folder = home() / "adapter"
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "r": 4,
        "lora_alpha": 8,
        "target_modules": [name.rpartition(".")[2] for name in shapes],
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(tiny_folder()),
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder
