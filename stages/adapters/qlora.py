"""LoRA on a base model whose linear layers are held in four bits, so that it fits a smaller machine.

What is merged and shipped is the adapter on the base model's own weights, not on the four bits.
Source: Dettmers et al. 2023 (QLoRA): NF4, double quantization; bitsandbytes, also on a CPU.
"""

from __future__ import annotations

from typing import Any

from stages import weights
from stages.adapters import lora
from stages.base_model import Located
from stages.catalog import Adapter
from stages.diagnostics import fail


def load(located: Located, device: weights.Device) -> tuple[Any, Any]:
    """Raises T385 without bitsandbytes."""
    import importlib.util

    if importlib.util.find_spec("bitsandbytes") is None:
        help = "pip install bitsandbytes (there is none for macOS), or train with adapter: lora"
        raise fail(
            "T385", "adapter: qlora needs bitsandbytes, which is not installed", help=help, key="training.adapter"
        )
    return weights.load(located, device=device, quantization=_nf4(device))


def _nf4(device: weights.Device) -> Any:
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=weights.dtype_of(device),
    )


ADAPTER = Adapter(
    "qlora", "low-rank matrices beside layers in four bits", lora.KEYS, load, lora.add, lora.write, lora.go_on
)
