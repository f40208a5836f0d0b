"""Stage `quantize`: the f16 GGUF in fewer bits, by llama.cpp itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from stages import progress
from stages.base import Coordinate, Key, Params, Read, Stage, Write
from stages.chat import Piece, Prompt, Prompting, stop_text, user_message
from stages.contract import Contract
from stages.engines.llama_cpp import LlamaCpp
from stages.requantizing import quantize
from stages.rows import Row, read_rows, sha256, write_json

PREFIX = "LLAMA_FTYPE_MOSTLY_"
FULL = ("f16",)  # llama.cpp lists it, but it is what one begins with
Tokens = tuple[list[int], list[int]]


@dataclass(frozen=True)
class Inputs:
    """Of the splits, train alone makes the importance matrix: what chooses or decides must not shape the weights."""

    f16: Annotated[Path, Read("export.f16")]
    train: Annotated[Path, Read("splits.train")]
    dev: Annotated[Path, Read("splits.dev")]


class QuantizeParams(Params):
    format: Annotated[str, Coordinate("quantization")]
    imatrix: Annotated[int, Key("quantization.imatrix")] = 0
    divergence: Annotated[int, Key("quantization.divergence")] = 0
    prompting: Prompting
    contract: Contract


@dataclass(frozen=True)
class Outputs:
    gguf: Annotated[Path, Write("model.gguf")]
    report: Annotated[Path, Write("report.json", "metrics")]


def run(inputs: Inputs, params: QuantizeParams, out: Outputs) -> None:
    """Quantize a GGUF.

    inputs.f16: GGUF, any float type. params.format: a name of `formats`, such as q4_k_m. params.imatrix: how many train
    rows say which weights matter most. params.divergence: how many dev rows the two files are held against by.
    out.gguf: GGUF; the same bytes for the same input and library, whatever the number of threads. Rows that a k-quant's
    blocks of 256 do not divide get llama.cpp's fallback type. out.report: {imatrix, divergence}, null where not made.
    Raises T350 when the input is damaged, T362 when llama.cpp cannot quantize it so, T715 without anything to weigh by.
    Source: llama_model_quantize of llama.cpp; the formats are described in its tools/quantize/README.md.
    """
    matrix, made_of = _matrix(inputs, params) if params.imatrix else (None, None)
    quantize(inputs.f16, out.gguf, formats()[params.format], params.format, matrix)
    apart = _divergence(inputs, params, out.gguf) if params.divergence else None
    write_json(out.report, {"imatrix": made_of, "divergence": apart})


def _matrix(inputs: Inputs, params: QuantizeParams) -> tuple[Any, dict[str, Any]]:
    """The importance matrix of the train rows with their right answers, and what it was made of."""
    from stages.importance import collect

    progress.tell(0, None, "reading train rows for the importance matrix")
    rows = _first(inputs.train, params.imatrix)
    with closing(LlamaCpp(inputs.f16)) as engine:
        texts = [prompt + answer for prompt, answer in _tokens(engine, rows, params)]
        matrix = collect(engine.model, texts)
    made_of = {"split": "train", "rows": len(rows), "tokens": sum(map(len, texts)), "sha256": sha256(inputs.train)}
    return matrix, {**made_of, "weights": len(matrix)}


def _divergence(inputs: Inputs, params: QuantizeParams, gguf: Path) -> dict[str, Any] | None:
    """Mean KL divergence from f16 and top-1 agreement, over the tokens of dev rows' right answers."""
    from stages.engines._llama_forced import divergence, forced

    with closing(LlamaCpp(inputs.f16)) as whole, closing(LlamaCpp(gguf)) as small:
        pairs = list(_tokens(whole, _first(inputs.dev, params.divergence), params))
        if not pairs:
            return None
        found = []
        for done, (of, other) in enumerate(zip(forced(whole.model, pairs), forced(small.model, pairs), strict=True), 1):
            found.append((*divergence(of, other), len(of)))
            progress.tell(done, len(pairs), "rows held against f16")
    tokens = sum(many for *_, many in found)
    apart, agree = (sum(one[place] * one[2] for one in found) / tokens for place in (0, 1))
    return {"rows": len(pairs), "tokens": tokens, "kl": round(apart, 9), "top_1": round(agree, 9)}


def _first(split: Path, many: int) -> list[Row]:
    """Answered rows, spread over the whole split, which is sorted by nothing that matters."""
    rows = [row for row in read_rows(split) if row.answered]
    step = max(1, len(rows) // many)
    return rows[::step][:many]


def _tokens(engine: LlamaCpp, rows: Sequence[Row], params: QuantizeParams) -> Iterator[Tokens]:
    """Prompt and answer of each row, as the model is asked and as it should answer, with what ends an answer."""
    template, system = engine.chat_template(), params.prompting.system(params.contract)
    stop = stop_text(template)
    for row in rows:
        prompt = template.prompt(row.id, system, user_message(params.prompting.input_template, row.input))
        said = (Piece(params.contract.write(row.output), plain=True), Piece(stop))
        answer = engine.encode(Prompt(row.id, tuple(piece for piece in said if piece.text)))
        if answer and len(tokens := engine.encode(prompt)) + len(answer) <= engine.context():
            yield tokens, answer


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
    libraries=("llama-cpp-python", "jinja2"),
)
