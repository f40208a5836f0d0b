"""Stage `quantize`: the f16 GGUF in fewer bits, by llama.cpp itself."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from stages import gguf_header
from stages.base import Coordinate, Params, Read, Stage, Write, fail
from stages.threads import idle_cores

PREFIX = "LLAMA_FTYPE_MOSTLY_"
FULL = ("f16", "bf16")  # llama.cpp lists them, but they are no quantization


@dataclass(frozen=True)
class Inputs:
    f16: Annotated[Path, Read("export.f16")]


class QuantizeParams(Params):
    format: Annotated[str, Coordinate("quantization")]


@dataclass(frozen=True)
class Outputs:
    gguf: Annotated[Path, Write("model.gguf")]


def run(inputs: Inputs, params: QuantizeParams, out: Outputs) -> None:
    """Quantize a GGUF.

    inputs.f16: GGUF, any float type. params.format: a name of `formats`, such as q4_k_m. out.gguf: GGUF; the same bytes
    for the same input and library, whatever the number of threads. Rows that a k-quant's blocks of 256 do not divide
    get llama.cpp's fallback type.
    Raises T350 when the input is damaged, T362 when llama.cpp cannot quantize it so.
    Source: llama_model_quantize of llama.cpp; the formats are described in its tools/quantize/README.md.
    """
    quantize(inputs.f16, out.gguf, formats()[params.format], params.format)


def formats() -> dict[str, int]:
    """Every quantization that the installed llama.cpp names: "q4_k_m" -> LLAMA_FTYPE_MOSTLY_Q4_K_M."""
    from stages.engines._llama_native import library

    named = {name.removeprefix(PREFIX).lower(): value for name, value in vars(library()).items() if PREFIX in name}
    return {name: named[name] for name in sorted(named) if name not in FULL}


def unpack(source: Path, target: Path) -> None:
    """A quantized GGUF in f16. A base model in q4_1 or q5_1, for which llama.cpp has no fast kernel for many tokens at
    once, answers batches faster so. The weights change by the rounding to f16 only. Raises as `run` does.
    """
    from stages.engines._llama_native import library

    quantize(source, target, library().LLAMA_FTYPE_MOSTLY_F16, "f16")


def quantize(source: Path, target: Path, ftype: int, name: str) -> None:
    """Write `source` as `target` in the type `ftype`, which a message calls `name`."""
    from stages.engines._llama_native import complaints, library

    gguf_header.read(source)
    lib = library()
    params = lib.llama_model_quantize_default_params()
    params.ftype, params.nthread, params.allow_requantize = ftype, idle_cores(), name == "f16"
    complaints()
    if lib.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(params)) == 0:
        return
    if target.parent.is_dir() and shutil.disk_usage(target.parent).free < 2**20:  # llama.cpp does not say why it failed
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
    raise fail(
        "T362",
        f"llama.cpp cannot quantize the model to {name}",
        notes=tuple(line.replace(str(source), source.name).replace(str(target), target.name) for line in complaints()),
        help="choose another name in quantization.formats; q8_0 takes every model, and below q3 most need an imatrix",
    )


STAGE = Stage(
    name="quantize",
    summary="the f16 GGUF in fewer bits",
    run=run,
    inputs=Inputs,
    params=QuantizeParams,
    outputs=Outputs,
    per="quantization",
    libraries=("llama-cpp-python",),
)
