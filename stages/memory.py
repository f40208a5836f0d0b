"""What a training will hold in memory, before it begins: whether it fits, and what would make it fit.

An estimate from shapes, meant to be a little too high: a run that is refused for nothing is a nuisance, one that dies
after an hour is an hour lost. What is loaded already (the weights) is not counted again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stages.diagnostics import fail
from stages.lessons import Prepared, plain
from stages.prefix import as_before, pieces
from stages.resuming import trained

OPTIMIZER = 12  # bytes for a trained weight: its gradient and Adam's two moments, in float32
FOUR_BITS = 0.56  # bytes of a weight in NF4, with its block's share of the scales
LOGITS = 12  # bytes for a learned token and a word of the vocabulary: logits, their float32, their gradient
SPARE = 0.9  # of what is free may be used
GB = 1e9


@dataclass(frozen=True)
class Need:
    """Bytes beyond the weights. thrifty: what `activations` are when they are computed twice instead of kept."""

    optimizer: int
    activations: int
    thrifty: int
    logits: int

    @property
    def kept(self) -> int:
        return self.optimizer + self.activations + self.logits

    @property
    def twice(self) -> int:
        return self.optimizer + self.thrifty + self.logits


def fit(ready: Prepared, wish: Literal["auto", "on", "off"], free: int | None = None) -> bool:
    """Whether activations are computed twice, which is set in the trainer then. Raises T665 when nothing makes it fit.

    free: bytes; None asks the machine.
    """
    need = needed(ready)
    room = round(SPARE * (free if free is not None else available(ready.trainer.model.device)))
    thrifty = wish == "on" or (wish == "auto" and need.kept > room)
    if (need.twice if thrifty else need.kept) > room:
        raise _too_much(ready, need, room, thrifty)
    if thrifty:
        be_thrifty(ready)
    return thrifty


def be_thrifty(ready: Prepared) -> None:
    """Compute activations twice: layer by layer, the second time with the attention of the first."""
    model = ready.trainer.model
    model.config.use_cache = False
    how = {"use_reentrant": False, "context_fn": as_before(plain(model))}
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=how)


def needed(ready: Prepared) -> Need:
    """Of the largest step: rows are padded to its longest one. A preference method runs two answers a row."""
    trainer, model = ready.trainer, plain(ready.trainer.model)
    config = model.config.get_text_config()
    together = (rows for step in trainer.steps for rows in pieces(step, trainer.at_once))
    longest = max(len(rows) * (max(ready.lengths[row] for row in rows) + ready.written) for rows in together)
    tokens = longest * ready.passes // trainer.accelerator.num_processes
    learned = min(1.0, ready.counts.get("learned_tokens_per_epoch", 10**12) / max(1, ready.counts["tokens_per_epoch"]))
    size = 2 if model.device.type == "cuda" else 4
    hidden, layers = int(config.hidden_size), int(config.num_hidden_layers)
    inner = int(getattr(config, "intermediate_size", None) or 4 * hidden)
    layer = (10 * hidden + 5 * inner) * size
    return Need(
        OPTIMIZER * sum(p.numel() for p in trained(trainer.model).values()),
        tokens * layers * layer,
        tokens * (layers * hidden * size + layer),
        round(tokens * learned) * int(config.vocab_size) * LOGITS,
    )


def available(device: Any) -> int:
    """Bytes that are free on a GPU, or on this machine within what its container may use."""
    import psutil
    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return min(int(psutil.virtual_memory().available), _container())


def _container() -> int:
    """Of control groups, version 2; a very large number where there is no limit."""
    home = Path("/sys/fs/cgroup")
    try:
        most, used = ((home / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return int(most) - int(used)
    except (OSError, ValueError):
        return 2**63


def _too_much(ready: Prepared, need: Need, room: int, thrifty: bool) -> Exception:
    least, most = need.optimizer, need.twice if thrifty else need.kept
    batch = ready.trainer.at_once or ready.trainer.args.per_device_train_batch_size
    rows = int(batch * (room - least) / max(1, most - least))
    fixes = [f"set training.{ready.batch_key} to {rows}"] if 1 <= rows < batch else []
    fixes += [] if thrifty or need.twice > room else ["set training.gradient_checkpointing to auto"]
    fixes += ["train with adapter: lora"] if least > room / 2 else ["lower training.max_length and shorten the rows"]
    fixes += ["train with adapter: qlora"] if most - _saved_by_four_bits(ready) <= room else []
    fixes += ["choose a smaller base model"] if not rows else []
    message = f"this training needs about {most / GB:.1f} GB beside the weights, and {room / GB:.1f} GB are free"
    parts = {"optimizer": least, "activations": most - least - need.logits, "logits": need.logits}
    note = ", ".join(f"{name} {size / GB:.2f} GB" for name, size in parts.items())
    return fail("T665", message, notes=(note,), help="; or ".join(fixes), key=f"training.{ready.batch_key}")


def _saved_by_four_bits(ready: Prepared) -> int:
    """Bytes of the frozen linear layers, which adapter: qlora would hold in four bits; 0 where they are already."""
    from torch import nn

    model = plain(ready.trainer.model)
    layers = (
        layer for layer in model.modules() if type(layer) is nn.Linear and layer is not model.get_output_embeddings()
    )
    sizes = ((one.weight.numel(), one.weight.element_size()) for one in layers if not one.weight.requires_grad)
    return round(sum(count * (size - FOUR_BITS) for count, size in sizes))
