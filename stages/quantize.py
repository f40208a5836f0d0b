"""Stage `quantize`: the f16 GGUF in fewer bits, by llama.cpp itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from stages.base import Coordinate, Params, Read, Stage, Write
from stages.requantizing import quantize

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
