"""The importance matrix: what it holds, that llama.cpp takes it, and that it comes from train rows alone."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from stages import quantize
from stages.base import Read
from stages.chat import Prompting
from stages.contract import Contract
from stages.diagnostics import UserError
from stages.engines.llama_cpp import LlamaCpp
from stages.importance import collect
from stages.rows import Row, read_json, write_rows
from tests.stages.tiny_gguf import TEXTS, asked, tiny_gguf


def split(path: Path, count: int, word: str) -> Path:
    write_rows(path, (Row(f"{n:012x}", {"text": f"{word} {n} at 7 pm"}, {"n": str(n)}) for n in range(count)))
    return path


def run(folder: Path, train: Path, dev: Path, **params: object) -> quantize.Outputs:
    folder.mkdir(exist_ok=True)
    out = quantize.Outputs(folder / "model.gguf", folder / "report.json")
    given = {
        "format": "q4_0",
        "prompting": Prompting(input_template="{text}", system_prompt=None, mode="none"),
        "contract": Contract(type="json", schema_={"type": "object"}),
        **params,
    }
    quantize.run(quantize.Inputs(tiny_gguf(), train, dev), quantize.QuantizeParams(**given), out)  # type: ignore[arg-type]
    return out


def test_every_layers_weights_are_seen_with_the_mean_square_of_their_inputs() -> None:
    with closing(LlamaCpp(tiny_gguf())) as engine:
        matrix = collect(engine.model, [engine.encode(prompt) for prompt in asked(*TEXTS)])
    assert {name.split(".")[1] for name in matrix} == {"0", "1"}
    assert {"blk.0.attn_q.weight", "blk.1.ffn_down.weight"} <= matrix.keys()
    assert matrix["blk.0.attn_q.weight"].shape == (64,) and matrix["blk.1.ffn_down.weight"].shape == (128,)
    assert all(np.isfinite(values).all() and (values >= 0).all() and values.any() for values in matrix.values())


def test_the_matrix_is_a_mean_so_the_same_text_twice_changes_nothing() -> None:
    with closing(LlamaCpp(tiny_gguf())) as engine:
        text = engine.encode(asked(*TEXTS)[0])
        once, twice = collect(engine.model, [text]), collect(engine.model, [text, text])
    assert all(np.allclose(once[name], twice[name], rtol=1e-5) for name in once)


def test_nothing_to_read_makes_no_matrix() -> None:
    with closing(LlamaCpp(tiny_gguf())) as engine, pytest.raises(UserError) as error:
        collect(engine.model, [])
    assert error.value.diagnostics[0].code == "T715"


def test_the_matrix_changes_the_bytes_and_says_what_it_was_made_of(tmp_path: Path) -> None:
    train, dev = split(tmp_path / "train.jsonl", 40, "Friday"), split(tmp_path / "dev.jsonl", 9, "Monday")
    plain, weighed = run(tmp_path / "a", train, dev), run(tmp_path / "b", train, dev, imatrix=10, divergence=4)
    assert plain.gguf.read_bytes() != weighed.gguf.read_bytes()
    assert read_json(plain.report) == {"imatrix": None, "divergence": None}
    report = read_json(weighed.report)
    assert report["imatrix"]["split"] == "train" and report["imatrix"]["rows"] == 10
    assert report["divergence"]["rows"] == 4 and report["divergence"]["kl"] > 0
    assert 0 <= report["divergence"]["top_1"] <= 1
    again = run(tmp_path / "c", train, split(tmp_path / "other.jsonl", 5, "Sunday"), imatrix=10)
    assert again.gguf.read_bytes() == weighed.gguf.read_bytes(), "dev rows have no part in it"


def test_only_train_and_dev_are_read_and_the_test_split_is_not_at_hand() -> None:
    reads = {marker.output for group in quantize.STAGE.reads().values() for marker in group if isinstance(marker, Read)}
    assert reads == {"export.f16", "splits.train", "splits.dev"}
