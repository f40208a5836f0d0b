"""What `auto` comes to: from the rows that can be counted, the model's size, the method and the task."""

from __future__ import annotations

import pytest

from compiler.workspace import Peek
from tests.compiling import MINIMAL, ROWS, compiled

AUTO = "{r: auto, alpha: auto}"


def text(model: str = "smollm2-135m", **keys: object) -> str:
    written = "".join(f"  {key}: {value}\n" for key, value in keys.items())
    return MINIMAL.replace("  base_model: smollm2-135m\n", f"  base_model: {model}\n{written}")


def training(rows: int | None = None, task: str | None = None):
    peeks = {} if rows is None else {ROWS: Peek(frozenset({"text", "people", "time"}), rows)}
    return compiled(task or text(), peeks=peeks).task.training


@pytest.mark.parametrize(
    ("rows", "epochs"), [(40, 5), (199, 5), (200, 4), (1_000, 3), (5_000, 2), (20_000, 1), (None, 3)]
)
def test_the_more_rows_the_fewer_epochs(rows: int | None, epochs: int) -> None:
    assert training(rows).epochs == epochs


def test_a_few_rows_more_change_nothing() -> None:
    assert training(420).model_dump() == training(430).model_dump()


@pytest.mark.parametrize(
    ("model", "method", "adapter", "rate"),
    [
        ("smollm2-135m", "sft", "lora", 1e-3),
        ("qwen3-0-6b", "sft", "lora", 2e-4),
        ("qwen3-8b", "sft", "lora", 1e-4),
        ("smollm2-135m", "dpo", "lora", 5e-5),
        ("smollm2-360m", "kto", "full", 5e-6),
        ("qwen3-0-6b", "sft", "full", 2e-5),
        ("qwen3-0-6b", "grpo", "qlora", 1e-5),
    ],
)
def test_the_rate_follows_from_model_method_and_adapter(model: str, method: str, adapter: str, rate: float) -> None:
    assert training(None, text(model, method=method, adapter=adapter)).learning_rate == rate


@pytest.mark.parametrize(("weights", "rate"), [(100_000_000, 1e-3), (600_000_000, 2e-4), (8_000_000_000, 1e-4)])
@pytest.mark.parametrize("model", ["models/own.gguf", "models/own/"])
def test_the_rate_of_a_model_of_ones_own_follows_from_its_weights(model: str, weights: int, rate: float) -> None:
    files = ROWS, "models/own.gguf", "models/own/config.json"
    found = compiled(text(model), *files, models={model.rstrip("/"): weights}).task
    assert found.training.learning_rate == rate and found.base_model.parameters == weights


@pytest.mark.parametrize(("rows", "rank"), [(100, 16), (4_999, 16), (5_000, 32), (None, 16)])
def test_the_rank_follows_from_the_rows_and_alpha_from_the_rank(rows: int | None, rank: int) -> None:
    lora = training(rows, text(lora=AUTO)).lora
    assert (lora.r, lora.alpha) == (rank, 2 * rank)


def test_a_label_wants_a_small_rank() -> None:
    task = text(lora=AUTO).replace("task_type: extraction", "task_type: classification")
    label = task.replace(
        "type: json\n  schema:\n    people: {type: string}\n    time: {type: string}",
        "type: label\n  schema: {enum: [a, b]}",
    )
    assert training(None, label).lora.r == 8


def test_a_short_run_climbs_for_longer() -> None:
    assert training(100, text(warmup_ratio="auto")).warmup_ratio == 0.1
    assert training(8_000, text(warmup_ratio="auto")).warmup_ratio == 0.03


@pytest.mark.parametrize(
    ("rows", "written", "shares"),
    [
        (999, "", (0.7, 0.15, 0.15)),
        (1_000, "", (0.8, 0.1, 0.1)),
        (None, "", (0.8, 0.1, 0.1)),
        (50, "train: auto, dev: auto, test: auto", (0.7, 0.15, 0.15)),
        (50, "train: 0.8, dev: 0.1, test: 0.1", (0.8, 0.1, 0.1)),
        (50, "test: 0", (0.823529, 0.176471, 0)),
        (5_000, "dev: 0.2, test: 0.2", (0.6, 0.2, 0.2)),
        (5_000, "train: 0.9", (0.9, 0.05, 0.05)),
    ],
)
def test_shares_of_the_splits_follow_from_the_rows_and_what_is_written_stands(
    rows: int | None, written: str, shares: tuple[float, float, float]
) -> None:
    peeks = {} if rows is None else {ROWS: Peek(frozenset({"text", "people", "time", "split"}), rows)}
    given = compiled(
        text() + (f"splits: {{ratios: {{{written}}}}}\n" if written else ""), peeks=peeks
    ).task.splits.ratios
    assert (given.train, given.dev, given.test) == shares and sum(shares) == pytest.approx(1)


def test_rows_of_another_split_are_not_trained_on() -> None:
    sources = "data:\n  sources:\n    - {path: data/raw/rows.jsonl}\n    - {path: data/t.jsonl, role: test}\n"
    columns = frozenset({"text", "people", "time"})
    peeks = {ROWS: Peek(columns, 150), "data/t.jsonl": Peek(columns, 9_000)}
    assert compiled(text() + sources, peeks=peeks).task.training.epochs == 5


def test_what_is_written_stands() -> None:
    assert training(40, text(epochs=2, learning_rate="3e-4")).epochs == 2


def test_a_swept_auto_is_settled_at_every_point() -> None:
    found = compiled(text() + "sweep: {training.lora.r: [8, auto]}\n")
    assert [variant.slug for variant in found.variants] == ["smollm2-135m-r8", "smollm2-135m-r16"]


# ---------------------------------------------------------------- a training before another

TWO = text(method="dpo", after="{method: sft, epochs: 2}")


def instances(task: str, **around: object) -> dict[str, object]:
    return {instance.name: instance for instance in compiled(task, **around).plan.instances}


def test_each_training_is_a_stage_of_its_own_with_its_own_recipe() -> None:
    found = compiled(TWO).plan
    first, second = found["before-smollm2-135m-r16"], found["train-smollm2-135m-r16"]
    assert (first.params["method"], first.params["epochs"], first.params["learning_rate"]) == ("sft", 2.0, 1e-3)
    assert (second.params["method"], second.params["epochs"], second.params["beta"]) == ("dpo", 1.0, 0.1)
    assert first.params["beta"] is None and first.params["shared_prefix"] == "auto"
    assert second.inputs["start"] == "build/before-smollm2-135m-r16/adapter" and "start" not in first.inputs
    assert (first.made.kind, second.made.kind) == ("train-sft-lora", "train-dpo-lora")


def test_a_list_says_the_same() -> None:
    listed = text().replace(
        "training:\n  base_model: smollm2-135m\n",
        "training:\n  - {base_model: smollm2-135m, epochs: 2}\n  - {method: dpo}\n",
    )
    assert compiled(listed).params_yaml == compiled(TWO).params_yaml


def test_editing_one_training_leaves_the_other_as_it_is() -> None:
    def params(task: str) -> dict[str, object]:
        return {
            name: instance.params for name, instance in instances(task).items() if name.startswith(("before", "train"))
        }

    whole = params(TWO)
    second = params(TWO.replace("method: dpo", "method: dpo\n  beta: 0.3\n  dev: {checks: 2}\n  epochs: 2"))
    first = params(TWO.replace("epochs: 2", "epochs: 3"))
    assert [name for name in whole if whole[name] != second[name]] == ["train-smollm2-135m-r16"]
    assert [name for name in whole if whole[name] != first[name]] == ["before-smollm2-135m-r16"]


def test_variants_of_the_second_training_share_the_first() -> None:
    found = instances(TWO + "sweep: {training.beta: [0.1, 0.3], training.after.epochs: [1, 2]}\n")
    assert sorted(name for name in found if name.startswith("before")) == [
        "before-smollm2-135m-r16",
        "before-smollm2-135m-r16-epochs-1",
    ]
    assert len([name for name in found if name.startswith("train")]) == 4
    other = found["train-smollm2-135m-r16-beta-0_3-epochs-1"]
    assert other.inputs["start"] == "build/before-smollm2-135m-r16-epochs-1/adapter"


def test_without_a_first_training_there_is_none() -> None:
    assert not [name for name in instances(text()) if name.startswith("before")]
