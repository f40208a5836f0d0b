"""Every method with every adapter on the tiny model: it learns, its adapter loads, merges and is exported."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stages import adapter as adapting
from stages import export, threads, weights
from stages import model as model_stage
from stages import train as stage
from stages.base import Adapter, Method, UserError, members
from stages.base_model import BaseModel, Located, trainable
from stages.engines.llama_cpp import LlamaCpp
from stages.engines.transformers import Transformers
from stages.lessons import TrainParams
from stages.methods.cpt import blocks
from stages.methods.grpo import rewards
from stages.rows import Row, read_json, write_rows
from stages.train import Inputs, Outputs
from tests.stages.test_train import params, row
from tests.stages.tiny_gguf import asked
from tests.tiny import tiny_model

METHODS = members("stages.methods", "METHOD", Method)
ADAPTERS = members("stages.adapters", "ADAPTER", Adapter)
MERGING = 1e-5  # how far the merged model's logits may be from those of base and adapter; 2e-6 were measured
LABELS = {"type": "label", "schema_": {"enum": ["yes", "no"]}}
LORA = {"r": 4, "alpha": 8, "dropout": 0.0, "target_modules": "all-linear"}
OWN: dict[str, dict[str, Any]] = {
    "dpo": {"beta": 0.1},
    "orpo": {"beta": 0.1},
    "kto": {"beta": 0.1},
    "grpo": {
        "batch_size": 8,
        "epochs": 4.0,
        "generations": 8,
        "max_new_tokens": 3,
        "reward": "accuracy",
        "contract": LABELS,
    },
}
Learn = Callable[..., Outputs]
SLOW = pytest.mark.slow


def taught(method: str, n: int) -> Row:
    """A train row of the shape that a method reads."""
    plain = row(n)
    match METHODS[method].rows:
        case "pairs":
            return replace(plain, rejected={"people": "9", "time": "noon"} if n % 2 else "I do not know.")
        case "verdicts":
            return plain if n % 2 else replace(plain, output=None, rejected="I do not know.")
        case "texts":
            return Row(plain.id, {}, None, text=f"{plain.input['text']} {json.dumps(plain.output)}")
    return replace(plain, output="yes") if method == "grpo" else plain


def asked_of(method: str, n: int) -> Row:
    """A dev row."""
    return taught(method, n) if METHODS[method].rows == "pairs" or method == "grpo" else row(n)


def pinned(folder: Path, into: Path) -> Path:
    """A base model as the `model` stage leaves it."""
    out = model_stage.Outputs(into / "base")
    into.mkdir()
    spec = BaseModel(name="tiny", source="folder", path=str(folder))
    model_stage.run(model_stage.Inputs(folder), model_stage.ModelParams(model=spec), out)
    return out.base


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Another number of threads rounds otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "idle_cores", lambda: 1)
        yield


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("tiny")
    return pinned(tiny_model(home / "model"), home / "pinned")


@pytest.fixture(scope="module")
def speaking(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that says yes or no, as it comes: who never says what fits can never be rewarded."""
    home = tmp_path_factory.mktemp("speaking")
    rows = [replace(row(n), output="yes" if n * 7919 % 11 < 5 else "no") for n in range(80)]
    out = trained(home, base, rows, rows[:4], params(adapter="full", epochs=6.0, learning_rate=3e-3, contract=LABELS))
    located = trainable(base)
    export.merge(located, out.adapter, home / "merged", export.own_dtype(located))
    return pinned(home / "merged", home / "pinned")


def trained(folder: Path, base: Path, train: list[Row], dev: list[Row], how: TrainParams) -> Outputs:
    write_rows(folder / "train.jsonl", train)
    write_rows(folder / "dev.jsonl", dev)
    out = Outputs(folder / "adapter", folder / "curve.csv", folder / "report.json")
    stage.run(Inputs(folder / "train.jsonl", folder / "dev.jsonl", base), how, out)
    return out


@pytest.fixture(scope="module")
def start(base: Path, request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """The base model that a method begins with."""
    return lambda method: request.getfixturevalue("speaking") if method == "grpo" else base


@pytest.fixture(scope="module")
def learn(start: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Learn:
    """Train on a few rows by a method through an adapter."""

    def learn(method: str, adapter: str, count: int = 32, **changed: Any) -> Outputs:
        rows = [taught(method, n) for n in range(count)]
        dev = [asked_of(method, n) for n in range(100, 105)]
        own = {"epochs": 2.0, "learning_rate": 3e-3 if adapter == "full" else 1e-2, **OWN.get(method, {})}
        if method == "grpo" and adapter != "full":
            own["learning_rate"] = 5e-3
        folder = tmp_path_factory.mktemp(f"{method}-{adapter}")
        return trained(folder, start(method), rows, dev, params(method=method, adapter=adapter, **{**own, **changed}))

    return learn


@pytest.fixture(scope="module")
def learned(learn: Learn) -> Learn:
    """The same, once for every method and adapter."""
    return cache(learn)


def series(out: Outputs, name: str) -> list[float]:
    with out.curve.open(newline="") as lines:
        return [float(line[name]) for line in csv.DictReader(lines)]


def logits(model: Any, tokenizer: Any) -> Any:
    import torch

    ids = torch.tensor(
        [tokenizer.encode("<|im_start|>user\nA table for two at 7 pm<|im_end|>\n<|im_start|>assistant\n")]
    )
    with torch.no_grad():
        return model.eval()(ids).logits


def distance(a: Any, b: Any) -> float:
    return float((a - b).abs().max())


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


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


@pytest.mark.parametrize("adapter", ["full", pytest.param("lora", marks=SLOW), pytest.param("qlora", marks=SLOW)])
def test_the_reward_rises(adapter: str, learned: Learn) -> None:
    reward = series(learned("grpo", adapter), "reward")
    assert all(0 <= value <= 2 for value in reward)
    half = len(reward) // 2
    assert mean(reward[half:]) > mean(reward[:half]) + (0.15 if adapter == "full" else 0)


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("method", [name if name != "grpo" else pytest.param(name, marks=SLOW) for name in METHODS])
def test_merging_changes_logits_as_the_adapter_does(
    method: str, adapter: str, learned: Learn, start: Callable[[str], Path], tmp_path: Path
) -> None:
    out, base = learned(method, adapter), trainable(start(method))
    export.merge(base, out.adapter, tmp_path / "merged", export.own_dtype(base))
    before, merged = (logits(*weights.load(model)) for model in (base, Located(tmp_path / "merged", gguf=False)))
    expected = beside(base, adapter, out.adapter)
    assert distance(before, expected) > 0.05, "the adapter changes nothing"
    assert distance(expected, merged) <= MERGING


@SLOW
@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("method", METHODS)
def test_the_gguf_answers_as_the_merged_weights_do(
    method: str, adapter: str, learned: Learn, start: Callable[[str], Path], tmp_path: Path
) -> None:
    exported = export.Outputs(tmp_path / "merged", tmp_path / "f16.gguf")
    inputs = export.Inputs(learned(method, adapter).adapter, start(method))
    export.run(inputs, export.ExportParams(name="tiny"), exported)
    prompts = asked("A table for two at 7 pm, please.", "noon")
    with closing(Transformers(exported.merged)) as ours, closing(LlamaCpp(exported.f16)) as shipped:
        said = [[answer.text for answer in engine.answer(prompts, max_new_tokens=6)] for engine in (ours, shipped)]
    assert said[0] == said[1]
