"""Low-rank adaptation: two small matrices beside every linear layer, and the base model's weights as they are.

Source: Hu et al. 2021 (LoRA); Kalajdzievski 2023 (rsLoRA); Liu et al. 2024 (DoRA).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages import lora, norms, parallel, weights
from stages.base_model import Located
from stages.catalog import Adapter
from stages.diagnostics import UserError, fail
from stages.lessons import Lora
from stages.rows import write_json

KEYS = (
    "lora.r", "lora.alpha", "lora.dropout", "lora.target_modules", "lora.rslora", "lora.dora", "lora.modules_to_save",
)  # fmt: skip


def load(located: Located, device: weights.Device) -> tuple[Any, Any]:
    return weights.load(located, device=device)


def add(model: Any, wanted: Lora) -> Any:
    """The model in PEFT, with a fresh adapter. Raises T345 for modules to adapt, T386 for modules to save."""
    from peft import LoraConfig, get_peft_model

    names = [name.strip() for name in wanted.target_modules.split(",")]
    saved = list(wanted.modules_to_save) or None
    _check_saved(model, wanted.modules_to_save)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=wanted.r,
        lora_alpha=wanted.alpha,
        lora_dropout=wanted.dropout,
        target_modules="all-linear" if names == ["all-linear"] else names,
        use_rslora=wanted.rslora,
        use_dora=wanted.dora,
        modules_to_save=saved,
        exclude_modules=saved,
    )
    if "lm_head" in names:
        raise _unfit("names lm_head, which is not trained")
    try:
        adapted = get_peft_model(model, config)
    except ValueError as error:
        raise _unfit(f"does not fit the base model: {error}") from None
    lora.fuse(adapted)
    norms.fuse(adapted)
    return adapted


def _unfit(why: str) -> UserError:
    help = "leave training.lora.target_modules out (all linear modules), or name linear modules of the base model"
    key = "training.lora.target_modules"
    return fail("T345", f"{key} {why}", help=help, key=key)


def _check_saved(model: Any, names: Sequence[str]) -> None:
    """Only modules that are there, in numbers with a point, and none whose weights are another module's too: merging
    would part the two."""
    help = "leave it out, or train with adapter: full"
    for name in names:
        named = [module for full, module in model.named_modules() if full.rpartition(".")[2] == name]
        weights = [parameter for module in named for parameter in module.parameters()]
        if not weights:
            why = f"the base model has no {name} with weights"
        elif not all(weight.is_floating_point() for weight in weights):
            why = f"{name} is held in four bits, which are not trained"
        elif {id(weight) for weight in weights} & _shared(model):
            why = f"the base model uses the weights of {name} in two places"
        else:
            continue
        raise fail("T386", f"training.lora.modules_to_save: {why}", help=help, key="training.lora.modules_to_save")


def _shared(model: Any) -> set[int]:
    """The weights that two modules have."""
    owned = [id(weight) for module in model.modules() for weight in module.parameters(recurse=False)]
    return {weight for weight, times in Counter(owned).items() if times > 1}


def write(model: Any, folder: Path) -> None:
    """The adapter as PEFT reads it, without its model card, and with no path, time or order that may vary."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    found = sorted(get_peft_model_state_dict(model).items())
    tensors = {name: parallel.whole(t.detach()).cpu().contiguous() for name, t in found}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = model.peft_config[model.active_adapter].to_dict()
    config |= {"base_model_name_or_path": None, "revision": None, "inference_mode": True}
    plain = json.dumps(config, default=lambda value: sorted(value) if isinstance(value, set) else str(value))
    write_json(folder / "adapter_config.json", json.loads(plain))


def go_on(model: Any, folder: Path) -> None:
    """Put the matrices of an earlier training into the fresh adapter. Raises T387 for those of another model."""
    import torch
    from peft import get_peft_model_state_dict
    from safetensors.torch import load_file

    written, own = load_file(folder / "adapter_model.safetensors"), get_peft_model_state_dict(model)
    if {name: t.shape for name, t in written.items()} != {name: t.shape for name, t in own.items()}:
        raise fail("T387", "the adapter to go on from is one of another base model", help="train it again on this one")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(written[name])


ADAPTER = Adapter("lora", "low-rank matrices beside the linear layers", KEYS, load, add, write, go_on)
