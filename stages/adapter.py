"""Put what was trained on a model's weights: a LoRA adapter, or all of them anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stages.diagnostics import fail

WHOLE = "model.safetensors"  # instead of an adapter's files: every weight, trained
SPECIAL = (
    "use_dora", "modules_to_save", "rank_pattern", "alpha_pattern", "target_parameters", "layer_replication",
    "trainable_token_indices",
)  # fmt: skip


def add(model: Any, adapter: Path) -> Any:
    """The model with scale * B A added to every weight that the adapter holds, in place; or with the whole weights.

    model: a transformers model in float32. adapter: folder of PEFT's, or of whole weights. Plain LoRA only needs its
    two matrices; what else PEFT knows (DoRA, biases, full modules, patterns) PEFT merges itself. The difference is
    PEFT's import: 8 s on two cores.
    Raises T387 when they are of another model.
    Source: Hu et al. 2021 (LoRA), section 4.1; scale alpha / r, or alpha / sqrt(r) for rsLoRA.
    """
    from safetensors.torch import load_file

    if (adapter / WHOLE).is_file():
        return _replaced(model, load_file(adapter / WHOLE))
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    tensors = load_file(adapter / "adapter_model.safetensors")
    weights = dict(model.named_parameters())
    targets = {name: f"{_module(name)}.weight" for name in sorted(tensors) if ".lora_A." in name}
    if not _plain(config) or len(tensors) != 2 * len(targets) or not weights.keys() >= set(targets.values()):
        return _with_peft(model, adapter)
    scale = config["lora_alpha"] / (config["r"] ** 0.5 if config.get("use_rslora") else config["r"])
    for name, target in targets.items():
        if weights[target].shape[1] != tensors[name].shape[1]:
            raise _of_another()
        delta = scale * (tensors[name.replace(".lora_A.", ".lora_B.")].float() @ tensors[name].float())
        weights[target].data += delta.T if config.get("fan_in_fan_out") else delta
    return model


def _replaced(model: Any, tensors: dict[str, Any]) -> Any:
    weights = dict(model.named_parameters())
    if {name: w.shape for name, w in weights.items()} != {name: t.shape for name, t in tensors.items()}:
        raise _of_another()
    for name, weight in weights.items():
        weight.data.copy_(tensors[name])
    return model


def _of_another() -> Exception:
    help = "train again on this base model"
    return fail("T387", "the trained weights are those of another base model", help=help)


def _module(name: str) -> str:
    """base_model.model.model.layers.0.mlp.up_proj.lora_A.weight -> model.layers.0.mlp.up_proj"""
    return name.removeprefix("base_model.model.").partition(".lora_A.")[0]


def _plain(config: dict[str, Any]) -> bool:
    plain = config.get("peft_type") == "LORA" and config.get("bias", "none") == "none"
    return plain and not any(map(config.get, SPECIAL))


def _with_peft(model: Any, adapter: Path) -> Any:
    from peft import PeftModel

    return PeftModel.from_pretrained(model, adapter).merge_and_unload()
