"""What a training's own figures say of it, and whether it fits into memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages import diagnosing, fitting, memory, progress, weights
from stages.diagnostics import Diagnostic, UserError
from stages.rows import read_json, write_jsonl, write_rows
from stages.signals import Run, signals, told
from stages.train import Inputs, Outputs
from stages.train import run as train
from tests.stages.teaching import Learn
from tests.stages.test_matrix import content
from tests.stages.test_train import params, row

FALLS = [3.0 - n / 50 for n in range(100)]
CALM = Run(FALLS, epochs=2.0, dev=[(50, 1.5), (100, 1.2)], dev_loss=1.2)


def test_a_training_that_goes_well_gives_no_signal() -> None:
    assert signals(CALM) == {}


@pytest.mark.parametrize(
    ("changed", "expected", "said"),
    [
        ({"losses": [2.0, 2.01] * 50, "dev": [], "dev_loss": 2.0}, "no_learning", "2.005"),
        ({"dev": [(50, 1.0), (100, 1.3)]}, "overfitting", "step 50"),
        ({"dev": [], "dev_loss": 4.0}, "overfitting", "4.000"),
        ({"general": (2.0, 2.5)}, "forgetting", "2.500"),
        ({"marks": ["<|im_start|>"]}, "wrong_template", "<|im_start|>"),
        ({"suspects": [("odd", 9.0), *((f"r{n}", 0.1 + n / 100) for n in range(12))]}, "label_noise", "odd (9.00)"),
    ],
)
def test_each_signal_says_what_is_seen_and_why_and_what_to_do(changed: Any, expected: str, said: str) -> None:
    found = signals(replace(CALM, **changed))
    assert list(found) == [expected]
    assert said in found[expected]["seen"] and found[expected]["causes"] and found[expected]["fixes"]
    warning = told(expected, found[expected])
    assert (warning.code, warning.severity, warning.help) == ("T806", "warning", found[expected]["fixes"])
    assert said in warning.message and found[expected]["causes"] in warning.notes[0] and warning.key


def test_rewards_say_nothing_of_learning() -> None:
    assert signals(Run([0.0] * 20, epochs=2.0, rewarded=True)) == {}


def test_rows_that_are_alike_in_their_loss_are_no_suspects() -> None:
    assert signals(replace(CALM, suspects=[(f"r{n}", 1.0 + n / 10) for n in range(20)])) == {}


# ---------------------------------------------------------------- out of a run


@pytest.fixture
def noisy(tiny: Path, tmp_path: Path) -> Any:
    """Train until the rows are known by heart, all but one with another answer than its like."""

    def noisy(**changed: Any) -> dict[str, Any]:
        rows = [row(n) for n in range(20)] + [replace(row(20), id="odd", output={"people": "Zürich?", "time": "~~"})]
        write_rows(tmp_path / "train.jsonl", rows)
        write_rows(tmp_path / "dev.jsonl", [row(n) for n in range(100, 103)])
        out = Outputs(tmp_path / "adapter", tmp_path / "curve.csv", tmp_path / "report.json")
        general = changed.pop("general", None)
        inputs = Inputs(tmp_path / "train.jsonl", tmp_path / "dev.jsonl", tiny, general=general)
        train(inputs, params(**changed), out)
        return dict(read_json(out.report))

    return noisy


def test_a_wrong_answer_is_found_by_its_loss_and_told_when_the_training_ends(
    noisy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[Diagnostic] = []
    monkeypatch.setattr(progress, "_heeder", warned.append)
    found = noisy(adapter="full", epochs=30.0, learning_rate=3e-3, signals={"suspects": 50})
    assert found["signals"]["label_noise"]["seen"].partition("loss: ")[2].startswith("odd (")
    assert warned == [told(name, signal) for name, signal in found["signals"].items()]


def test_general_rows_are_scored_before_and_after(noisy: Any, tmp_path: Path) -> None:
    general = tmp_path / "general.jsonl"
    write_jsonl(general, [{"prompt": f"What is {n} and {n}?", "answer": f"It is {2 * n}."} for n in range(6)])
    found = noisy(adapter="full", epochs=30.0, learning_rate=3e-3, general=general)
    loss = found["general_loss"]
    assert loss["after"] > 1.1 * loss["before"], "a random model that learns one task forgets its even spread"
    assert "forgetting" in found["signals"]


@pytest.mark.parametrize("line", ["no json", '{"prompt": "a"}', "[]", ""])
def test_a_general_row_that_is_none_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "general.jsonl"
    path.write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(UserError) as error:
        diagnosing._read(path)
    assert [found.code for found in error.value.diagnostics] == ["T666"] and error.value.diagnostics[0].help


def test_marks_that_a_tokenizer_splits_are_found(tiny: Path) -> None:
    from stages.base_model import trainable

    tokenizer = weights.tokenizer_of(trainable(tiny))
    assert fitting.marks_without_token(tokenizer, tokenizer.chat_template) == []
    assert fitting.marks_without_token(tokenizer, "{{ '<|start_header_id|>' }}<|im_end|>") == ["<|start_header_id|>"]


# ---------------------------------------------------------------- memory


def test_memory_that_is_short_makes_activations_be_computed_twice(
    learn: Learn, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs: list[memory.Need] = []
    real = memory.needed
    monkeypatch.setattr(memory, "needed", lambda ready: needs.append(real(ready)) or needs[-1])
    given = {"count": 12, "batch_size": 4}
    plain = learn("sft", "lora", **given)
    assert needs[0].twice < needs[0].kept
    monkeypatch.setattr(memory, "available", lambda device: round((needs[0].twice + needs[0].kept) / 2 / memory.SPARE))
    thrifty = learn("sft", "lora", **given)
    assert read_json(thrifty.report)["gradient_checkpointing"] is True
    assert read_json(thrifty.report)["shared_prefix_tokens"] >= 20, "what rows begin with still runs once"
    for name in ("adapter_model.safetensors", "curve.csv"):
        assert content(thrifty)[name] == content(plain)[name], "the same numbers, computed twice"


@pytest.mark.parametrize("method", ["dpo", "orpo", "kto"])
def test_preferences_are_learned_with_activations_computed_twice(method: str, learn: Learn) -> None:
    given = {"count": 8, "batch_size": 4, "epochs": 1.0}
    on, off = (learn(method, "lora", gradient_checkpointing=word, **given) for word in ("on", "off"))
    assert content(on)["curve.csv"] == content(off)["curve.csv"]


def test_what_cannot_fit_is_refused_with_what_would(learn: Learn, monkeypatch: pytest.MonkeyPatch) -> None:
    needs: list[memory.Need] = []
    real = memory.needed
    monkeypatch.setattr(memory, "needed", lambda ready: needs.append(real(ready)) or needs[-1])
    monkeypatch.setattr(memory, "available", lambda device: 200_000)
    with pytest.raises(UserError) as error:
        learn("sft", "full", count=12, batch_size=4)
    (found,) = error.value.diagnostics
    assert (
        (found.code, found.key) == ("T665", "training.micro_batch_size")
        and "adapter: lora" in str(found.help)
        and "optimizer" in found.notes[0]
    )
    monkeypatch.setattr(memory, "available", lambda device: round(needs[0].optimizer + needs[0].kept / 2))
    with pytest.raises(UserError) as error:
        learn("sft", "lora", count=12, batch_size=8, gradient_checkpointing="off")
    assert "micro_batch_size to" in str(error.value.diagnostics[0].help)
    assert "qlora" not in str(error.value.diagnostics[0].help), "four bits would not free as much as that"


def test_four_bits_are_advised_where_they_would_make_it_fit(learn: Learn, monkeypatch: pytest.MonkeyPatch) -> None:
    needs: list[memory.Need] = []
    real = memory.needed
    monkeypatch.setattr(memory, "needed", lambda ready: needs.append(real(ready)) or needs[-1])
    monkeypatch.setattr(memory, "available", lambda device: round(needs[0].kept / memory.SPARE) - 2_000)
    for adapter, advised in (("lora", True), ("full", False)):
        needs.clear()
        with pytest.raises(UserError) as error:
            learn("sft", adapter, count=12, batch_size=8, gradient_checkpointing="off")
        assert ("adapter: qlora" in str(error.value.diagnostics[0].help)) is advised


def test_a_container_s_limit_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "Path", lambda _: tmp_path)
    assert memory._container() == 2**63
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("5\n")
    assert memory._container() == 2**63
    (tmp_path / "memory.max").write_text("12\n")
    assert memory._container() == 7
