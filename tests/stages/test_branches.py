"""What rows begin with is run once, and nothing is another for it: the losses and gradients of every method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages import branches, memory, prefix, weights
from stages import train as stage
from stages.branches import Row, log_probs, tree_of
from stages.catalog import Adapter, Method, members
from stages.diagnostics import UserError
from stages.lessons import Lesson, Prepared
from stages.prefix import answer_loss
from stages.rows import read_json, write_rows
from tests.often import often
from tests.stages.teaching import METHODS, OWN, Learn, asked_of, pinned, series, taught
from tests.stages.test_train import params
from tests.tiny import tiny_model

WEIGHING = [name for name in METHODS if name not in ("sft", "cpt")]
FAMILIES = ("llama", "qwen3")


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("families")
    return {
        family: pinned(tiny_model(home / family / "model", family), home / f"{family}-pinned")
        for family in (*FAMILIES, "gemma3_text")
    }


def prepare(base: Path, folder: Path, method: str, **changed: Any) -> Prepared:
    """A method's trainer, with an adapter whose B is not zero, so that gradients reach A too."""
    import torch

    write_rows(folder / "train.jsonl", [taught(method, n) for n in range(8)])
    write_rows(folder / "dev.jsonl", [asked_of(method, n) for n in range(100, 103)])
    adapter = members("stages.adapters", "ADAPTER", Adapter)["lora"]
    how = params(method=method, **{**OWN.get(method, {}), **changed})
    with stage.silence():
        model, tokenizer = adapter.load(stage.trainable(base), "cpu")
        files = folder / "train.jsonl", folder / "dev.jsonl"
        lesson = Lesson(model, tokenizer, *files, how, adapter, str(folder))
        ready = members("stages.methods", "METHOD", Method)[method].prepare(lesson)
    torch.manual_seed(1)
    for name, parameter in ready.trainer.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    return ready


def step(ready: Prepared) -> Any:
    """What a step's rows are as TRL's trainer takes them; of grpo, with answers of its own."""
    trainer = ready.trainer
    trainer.model.train()
    rows = [trainer.train_dataset[row] for row in trainer.steps[0]]
    with stage.silence():
        return trainer._prepare_inputs(trainer.data_collator(rows))


def loss_and_gradients(trainer: Any, inputs: Any, shared: bool) -> tuple[float, dict[str, Any]]:
    trainer.shared = shared
    trainer.model.zero_grad()
    loss = trainer.compute_loss(trainer.model, inputs)
    loss.backward()
    gradients = {name: p.grad.clone() for name, p in trainer.model.named_parameters() if p.grad is not None}
    return float(loss.detach()), gradients


def theirs(trainer: Any, inputs: Any) -> tuple[float, dict[str, Any]]:
    """TRL's own step, which asks the model itself."""
    trainer.asked = lambda model: model
    return loss_and_gradients(trainer, inputs, False)


def assert_same(found: tuple[float, dict[str, Any]], expected: tuple[float, dict[str, Any]]) -> None:
    assert found[0] == pytest.approx(expected[0], rel=1e-5, abs=1e-5)
    assert found[1].keys() == expected[1].keys() and expected[1]
    most = max(float(gradient.abs().max()) for gradient in expected[1].values())
    assert most > 1e-4, "there is no gradient to compare"
    for name, gradient in expected[1].items():
        assert float((found[1][name] - gradient).abs().max()) <= 1e-5 * max(1.0, most), name


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", WEIGHING)
def test_a_shared_step_is_the_plain_step(method: str, family: str, bases: dict[str, Path], tmp_path: Path) -> None:
    import torch

    ready = prepare(bases[family], tmp_path, method)
    inputs = step(ready)
    if method == "grpo":  # where every answer is as good as another there is no gradient
        inputs["advantages"] = torch.linspace(-1, 1, len(inputs["advantages"]))
        ready.trainer.current_gradient_accumulation_steps = 1
    shared, plain = (loss_and_gradients(ready.trainer, inputs, share) for share in (True, False))
    assert_same(shared, plain)
    if method != "orpo":  # TRL's orpo learns the prompt too
        assert_same(plain, theirs(ready.trainer, inputs))


@pytest.mark.parametrize("method", ["sft", "cpt", "dpo"])
def test_rows_computed_a_few_at_once_are_the_whole_step(method: str, learn: Learn) -> None:
    """Shared prefix and all: three rows and one of four, whose answers are of many lengths."""
    given: dict[str, Any] = {"count": 14, "epochs": 1.0}
    whole, parted = learn(method, "lora", **given), learn(method, "lora", micro_batch_size=3, **given)
    for name in ("loss", "grad_norm"):
        assert series(parted, name) == pytest.approx(series(whole, name), rel=1e-4), name
    assert read_json(whole.report).get("shared_prefix_tokens", 1) == read_json(parted.report).get(
        "shared_prefix_tokens", 1
    )


def test_a_step_s_gradients_are_its_parts_gradients(bases: dict[str, Path], tmp_path: Path) -> None:
    """Gradient accumulation with the prefix shared, to 1e-5."""
    ready = prepare(bases["llama"], tmp_path, "sft", batch_size=6)
    trainer, found = ready.trainer, []
    assert trainer.shared >= 20
    rows = [trainer.train_dataset[row] for row in trainer.steps[0]]
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    for size in (None, 2, 4):
        trainer.at_once = size
        trainer.model.zero_grad()
        loss = trainer.training_step(trainer.model, trainer._collate(rows))
        gradients = {name: p.grad.clone() for name, p in trainer.model.named_parameters() if p.grad is not None}
        found.append((float(loss), gradients))
    assert_same(found[1], found[0])
    assert_same(found[2], found[0])


@pytest.mark.parametrize("method", ["sft", *WEIGHING])
def test_activations_computed_twice_are_those_of_a_shared_step(
    method: str, bases: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backward pass computes each layer again once the shared attention is left, and has to bring it back."""
    import torch

    ready = prepare(bases["llama"], tmp_path, method)
    inputs, shared = step(ready), ready.trainer.shared
    if method == "grpo":
        inputs["advantages"] = torch.linspace(-1, 1, len(inputs["advantages"]))
        ready.trainer.current_gradient_accumulation_steps = 1
    kept = loss_and_gradients(ready.trainer, inputs, shared)
    with stage.silence():
        memory.be_thrifty(ready)
    assert ready.trainer.shared == shared and shared
    passes, attend = [], prefix._attend
    monkeypatch.setattr(prefix, "_attend", lambda *given, **how: passes.append(1) or attend(*given, **how))
    twice = loss_and_gradients(ready.trainer, inputs, shared)
    with_gradient = 2  # layers
    assert len(passes) >= 2 * with_gradient, "each layer is computed twice"
    assert_same(twice, kept)
    assert ready.trainer.model.config._attn_implementation != prefix.ATTENTION


@pytest.mark.parametrize("method", ["sft", *WEIGHING])
def test_a_sliding_window_is_run_whole_and_refused_where_sharing_is_a_must(
    method: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    assert not prepare(bases["gemma3_text"], tmp_path, method).trainer.shared
    with pytest.raises(UserError) as refused:
        prepare(bases["gemma3_text"], tmp_path, method, shared_prefix="on")
    (found,) = refused.value.diagnostics
    assert (found.code, found.key) == ("T343", "training.shared_prefix") and found.help


@pytest.mark.parametrize("method", WEIGHING)
def test_sharing_is_chosen_by_itself_and_switched_off_by_its_key(
    method: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    assert prepare(bases["llama"], tmp_path, method).trainer.shared is True
    assert prepare(bases["llama"], tmp_path, method, shared_prefix="off").trainer.shared is False


def test_a_pair_s_prompt_is_run_once(bases: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in the tokens that the model reads."""
    ready = prepare(bases["llama"], tmp_path, "dpo")
    inputs, read, real = step(ready), [], branches.attention_of
    monkeypatch.setattr(branches, "attention_of", lambda model, *rest: read.append(rest) or real(model, *rest))
    loss_and_gradients(ready.trainer, inputs, True)
    ((many, trunk, seen),) = read
    whole = inputs["input_ids"].numel()
    assert many == len(inputs["input_ids"]) // 2 and trunk >= 20
    assert trunk + many * seen.shape[2] < 0.6 * whole


# ---------------------------------------------------------------- the tree


def rows_of(*given: tuple[list[int], int]) -> list[Row]:
    return [
        Row(number, tokens, list(range(len(tokens))), list(range(answer, len(tokens))))
        for number, (tokens, answer) in enumerate(given)
    ]


def test_rows_of_one_prompt_are_one_branch_and_each_keeps_the_prompt_s_last_token() -> None:
    head = list(range(10, 20))
    trunk, (first, second) = tree_of(
        rows_of(([*head, 1, 2, 3, 7, 8], 13), ([*head, 1, 2, 3, 9], 13), ([*head, 4, 5, 6], 12))
    )
    assert trunk == 10
    assert first.tokens == [1, 2, 3, 7, 8, 3, 9] and first.owners == [0, 0, 1, 1, 1, 2, 2]
    assert first.positions == [10, 11, 12, 13, 14, 12, 13]
    assert [(one.at, one.row, one.column) for one in first.learned] == [(2, 0, 13), (3, 0, 14), (5, 1, 13)]
    assert second.tokens == [4, 5, 6] and second.positions == [10, 11, 12]


def test_a_trunk_that_does_not_pay_is_none() -> None:
    assert tree_of(rows_of(([1, 2, 3, 4], 3), ([1, 2, 5, 6], 3)))[0] == 0


@pytest.mark.parametrize("side", often(["left", "right"], {"left"}))
def test_padding_on_either_side_and_no_trunk_change_no_number(side: str, bases: dict[str, Path]) -> None:
    import torch

    model, _ = weights.load(stage.trainable(bases["llama"]))
    rows = rows_of(([5, 6, 7, 8, 9], 3), ([5, 6, 7, 11], 3), ([12, 13, 14], 2))
    size = max(len(row.tokens) for row in rows)
    pad = [0 if side == "right" else size - len(row.tokens) for row in rows]
    ids, mask, labels = (torch.full((len(rows), size), fill) for fill in (0, 0, -100))
    for row, start in zip(rows, pad, strict=True):
        span = slice(start, start + len(row.tokens))
        ids[row.number, span], mask[row.number, span] = torch.tensor(row.tokens), 1
        labels[row.number, start + row.learned[0] : span.stop] = torch.tensor(row.tokens[row.learned[0] :])
    with torch.no_grad():
        found = log_probs(model, model, ids, mask, labels, share=True)
        for row, start in zip(rows, pad, strict=True):
            alone = torch.tensor([row.tokens])
            only = alone.clone().masked_fill(torch.arange(len(row.tokens)) < row.learned[0], -100)
            expected = -float(answer_loss(model, alone, only, 0))
            assert float(found[row.number].sum()) == pytest.approx(expected, rel=1e-5), start
