"""A GGUF file's weights in another type, by llama.cpp itself. Used by the stage `quantize` and the baselines."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages import gguf_header
from stages.diagnostics import fail
from stages.threads import idle_cores


def unpack(source: Path, target: Path) -> None:
    """A quantized GGUF in f16. A base model in q4_1 or q5_1, for which llama.cpp has no fast kernel for many tokens at
    once, answers batches faster so. The weights change by the rounding to f16 only. Raises as `quantize` does.
    """
    from stages.engines._llama_native import library

    quantize(source, target, library().LLAMA_FTYPE_MOSTLY_F16, "f16")


def quantize(source: Path, target: Path, ftype: int, name: str, matrix: Mapping[str, Any] | None = None) -> None:
    """Write `source` as `target` in the type `ftype`, which a message calls `name`; matrix: of stages.importance.

    Raises T350 when the source is damaged, T362 when llama.cpp cannot quantize it so.
    """
    from stages.engines._llama_native import complaints, library
    from stages.importance import given

    gguf_header.read(source)
    lib = library()
    params = lib.llama_model_quantize_default_params()
    params.ftype, params.nthread, params.allow_requantize = ftype, idle_cores(), name == "f16"
    complaints()
    with given(lib, params, dict(matrix or {})):
        code = lib.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(params))
    if code == 0:
        return
    if target.parent.is_dir() and shutil.disk_usage(target.parent).free < 2**20:  # llama.cpp does not say why it failed
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
    raise fail(
        "T362",
        f"llama.cpp cannot quantize the model to {name}",
        notes=tuple(line.replace(str(source), source.name).replace(str(target), target.name) for line in complaints()),
        help="choose another name in quantization.formats; q8_0 takes every model, and some below q3 "
        "need quantization.imatrix",
    )
