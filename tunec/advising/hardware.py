"""The machine that trains, and what a training of so many weights would hold in its memory: from shapes alone.

`calibrating` measures both where the base model is here; this is for models that are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages.memory import LOGITS, OPTIMIZER
from tunec.advising.lengths import Lengths

# Width of the layers of decoder models by their size, as published ones have it: billions of weights -> hidden, layers,
# words of the vocabulary.
_SHAPES: tuple[tuple[float, int, int, int], ...] = (
    (0.2, 576, 30, 49_152),
    (0.45, 960, 32, 49_152),
    (0.8, 1_024, 28, 151_936),
    (2.0, 2_048, 28, 151_936),
    (4.5, 2_560, 36, 151_936),
    (9.0, 4_096, 36, 151_936),
)
_ADAPTER = 0.02  # of the weights, of rank 16 on all linear layers of a model of 1B; less of a larger one
_LIBRARIES = 1_200_000_000  # torch, transformers and peft, loaded
_WEIGHT = {"lora": 2.0, "full": 2.0, "qlora": 0.6}  # bytes of a weight of the base model on a GPU
_GIVEN_GPU, _GIVEN_MEMORY = 24_000_000_000, 16_000_000_000


@dataclass(frozen=True)
class Machine:
    """gpu: whether one trains. memory: bytes, of the GPU where there is one. assumed: nobody said."""

    gpu: bool
    memory: int
    assumed: bool = False


def here() -> Machine:
    """This machine, without its GPUs, which take torch to be asked for: `advise --measure` does."""
    import psutil

    return Machine(False, int(psutil.virtual_memory().total))


def remote(memory: float | None) -> Machine:
    """A machine elsewhere. memory: gigabytes of its GPU, where somebody said; 24 are assumed."""
    return Machine(True, round(memory * 1e9) if memory else _GIVEN_GPU, memory is None)


def gpu(answers: Mapping[str, Any]) -> str | None:
    """none, local or remote, as somebody answered; an address or a memory alone speaks of a GPU, too."""
    implied = "remote" if answers.get("gpu_host") else "local" if answers.get("gpu_memory") else None
    return str(answers["gpu"]) if answers.get("gpu") else implied


def named(answers: Mapping[str, Any]) -> Machine:
    """The machine that trains, as somebody answered: a GPU, or this machine."""
    return remote(answers.get("gpu_memory")) if gpu(answers) in ("local", "remote") else here()


def training_memory(size: int, lengths: Lengths, adapter: str, machine: Machine, batch: int, *, shared: bool) -> int:
    """Bytes that training a model of `size` weights on such rows holds: weights, optimizer, activations, logits.

    batch: rows of a step. shared: whether what they begin with alike is run once. Activations are computed twice where
    keeping all would not fit, as training does it.
    """
    billions = size / 1e9
    hidden, layers, words = next((shape[1:] for shape in _SHAPES if billions <= shape[0]), (4_096, 36, 151_936))
    wide = 2 if machine.gpu else 4
    weights = size * (_WEIGHT[adapter] if machine.gpu else 4.0)
    trained = size if adapter == "full" else size * _ADAPTER / max(1.0, billions**0.5)
    layer = 25 * hidden * wide  # as stages/memory.py: 10 hidden + 5 inner, where inner is thrice hidden
    step = lengths.step(batch, shared=shared)
    thrifty = step * (layers * hidden * wide + layer)
    kept = step * layers * layer
    logits = batch * lengths.answer * words * LOGITS  # of what is learned
    base = weights + OPTIMIZER * trained + logits + (0 if machine.gpu else _LIBRARIES)
    return round(base + (kept if base + kept <= machine.memory else thrifty))
