"""PEFT's LoRA layer in one step of autograd, while it is trained: the same numbers with a third of the operations.

PEFT writes W x + scale * B(A(dropout(x))) as seven operations, each with its own backward and its own trip through
memory. Only the plain layer is replaced, and the one in four bits, whose weights are unpacked for each product and not
kept; any other (dropout, DoRA, mixed types of numbers) keeps its own forward.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any


def fuse(model: Any, adapter: str = "default", *, rounded: bool = False) -> int:
    """Let every plain LoRA layer of a PEFT model compute in one step; gives how many. The weights stay PEFT's own.

    rounded: multiply by the frozen weights in bfloat16, and sum in float32. With AMX such a product takes a third of
    the time; a processor without instructions for it takes longer.

    Source: y = x W' + s (x A') B', so that dA = s (g B)' x, dB = s g' (x A') and dx = g W + s (g B) A.
    """
    apply = _function(_rounded if rounded else _product)
    layers = [module for module in model.modules() if _plain(module, adapter)]
    for layer in layers:
        layer.forward = partial(_forward, apply, layer, adapter)
    return len(layers)


def _plain(module: Any, adapter: str) -> bool:
    from peft.tuners.lora.layer import Linear, LoraLayer
    from torch import nn

    if not isinstance(module, LoraLayer) or module.active_adapters != [adapter]:
        return False
    base = module.base_layer
    if not (type(module) is Linear and type(base) is nn.Linear) and not _in_four_bits(base):
        return False
    down, up = module.lora_A[adapter], module.lora_B[adapter]
    return (
        not module.merged
        and not module.lora_variant
        and isinstance(module.lora_dropout[adapter], nn.Identity)
        and down.bias is None
        and up.bias is None
        and not base.weight.requires_grad
        and down.weight.dtype == up.weight.dtype == (base.compute_dtype if _in_four_bits(base) else base.weight.dtype)
    )


def _in_four_bits(base: Any) -> bool:
    """bitsandbytes' layer, told by what it holds, so that the package need not be there."""
    return type(base).__name__ == "Linear4bit" and getattr(base.weight, "quant_state", None) is not None


def _whole(base: Any) -> Any:
    """The frozen weight: (out, in)."""
    if not _in_four_bits(base):
        return base.weight
    from bitsandbytes.functional import dequantize_4bit

    return dequantize_4bit(base.weight.data, base.weight.quant_state).to(base.compute_dtype)


def _forward(apply: Any, layer: Any, adapter: str, x: Any) -> Any:
    down, up = layer.lora_A[adapter].weight, layer.lora_B[adapter].weight
    asked_plain = layer.disable_adapters or layer.active_adapters != [adapter]  # a reference, the base model as it was
    if asked_plain or x.dtype != down.dtype:  # TRL holds an adapter beside four bits in bfloat16 for a while
        return type(layer).forward(layer, x)
    y = apply(x.reshape(-1, x.shape[-1]), layer.base_layer, down, up, layer.scaling[adapter])
    bias = layer.base_layer.bias
    return (y if bias is None else y + bias).view(*x.shape[:-1], -1)


def _product(x: Any, weight: Any) -> Any:
    return x @ weight


def _rounded(x: Any, weight: Any) -> Any:
    """The product in float32 of what both are in bfloat16."""
    import torch

    matmul: Any = getattr(torch.backends.mkldnn, "matmul")  # noqa: B009 - torch has no types for it
    before = matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    try:
        return x @ weight
    finally:
        matmul.fp32_precision = before


def _function(product: Callable[[Any, Any], Any]) -> Any:
    import torch

    class Fused(torch.autograd.Function):
        """x: (tokens, in). base: the layer of the frozen weight, (out, in). down: (r, in). up: (out, r)."""

        @staticmethod
        def forward(ctx: Any, x: Any, base: Any, down: Any, up: Any, scale: float) -> Any:
            low = x @ down.t()
            ctx.save_for_backward(x, down, up, low)
            ctx.base, ctx.scale = base, scale
            return product(x, _whole(base).t()).addmm_(low, up.t(), alpha=scale)

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            x, down, up, low = ctx.saved_tensors
            given = gradients[0]
            back = (given @ up).mul_(ctx.scale)
            dx = product(given, _whole(ctx.base)).addmm_(back, down) if ctx.needs_input_grad[0] else None
            return dx, None, back.t() @ x, (given.t() @ low).mul_(ctx.scale), None

    return Fused.apply
