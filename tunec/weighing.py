"""How many weights a base model of the workspace has, by the heads of its files alone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

_MOST = 16_000_000  # bytes of a safetensors head that is read: a hundred a tensor, and large models have some thousands


def weights(path: Path) -> int | None:
    """Of a .gguf file or a transformers folder; None where that cannot be told, which the stage `model` will word."""
    from stages.diagnostics import UserError

    try:
        shapes = list(_of_gguf(path) if path.suffix == ".gguf" else _of_folder(path))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, UserError):
        return None
    return sum(map(math.prod, shapes)) or None


def _of_gguf(path: Path) -> Iterator[tuple[int, ...]]:
    from stages.gguf_header import read

    return (tensor.shape for tensor in read(path).tensors)


def _loaded(folder: Path) -> list[Path]:
    """The files that transformers loads, in its order: one, else those that an index names. Others may lie beside them
    that hold the same weights once more, such as consolidated.safetensors.
    """
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.exists():
        return [whole]
    if index.stat().st_size > _MOST:
        raise ValueError(index)
    names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
    if any(Path(name).name != name for name in names):
        raise ValueError(index)
    return [folder / name for name in names]


def _of_folder(path: Path) -> Iterator[tuple[int, ...]]:
    """Source: github.com/huggingface/safetensors, Format: eight bytes, little-endian, say how long the head is."""
    for file in _loaded(path):
        with file.open("rb") as data:
            length = int.from_bytes(data.read(8), "little")
            if length > _MOST:
                raise ValueError(length)
            head = json.loads(data.read(length))
        yield from (tuple(map(int, tensor["shape"])) for name, tensor in head.items() if name != "__metadata__")
