import csv
import dataclasses
import json
import random
from pathlib import Path

import pytest

from stages import lora, norms, progress, threads, weights
from stages import model as model_stage
from stages import train as stage
from stages.adapters import lora as low_rank
from stages.base_model import BaseModel, Located
from stages.chat_templates import TEMPLATES
from stages.diagnostics import UserError, fail
from stages.engines._prefix import shareable
from stages.lessons import Lora
from stages.methods.sft import padded, what_is_shared
from stages.prefix import answer_loss, batches
from stages.rows import Row, read_json, write_rows
from stages.supervision import common_prefix, examples
from stages.train import Inputs, Outputs, TrainParams
from tests.tiny import tiny_model

ROUNDS = weights.rounds  # before tests/stages/conftest.py takes its place
SCHEMA = {"type": "object", "properties": {"people": {"type": "string"}, "time": {"type": "string"}}}
NAMES = ("two", "five", "11", "nine people", "three adults and 1 child")


def read_curve(path: Path) -> list[dict[str, float]]:
    with path.open(newline="") as lines:
        return [{name: float(value) for name, value in line.items()} for line in csv.DictReader(lines)]


def row(n: int) -> Row:
    people, time = NAMES[n % len(NAMES)], f"{n % 12 + 1} pm"
    text = f"A table for {people} at {time}, please." if n % 3 else f"{people}, {time}"
    return Row(f"row{n}", {"text": text}, {"people": people, "time": time})


def params(**changed) -> TrainParams:
    given = {
        "method": "sft",
        "adapter": "lora",
        "lora": {"r": 4, "alpha": 8, "dropout": 0.0, "target_modules": "all-linear"},
        "epochs": 1.0,
        "learning_rate": 1e-2,
        "batch_size": 4,
        "warmup_ratio": 0.1,
        "weight_decay": 0.0,
        "scheduler": "cosine",
        "max_length": 256,
        "seed": 0,
        "shared_prefix": "auto",
        "prompting": {
            "input_template": "Message: {text}",
            "system_prompt": "Read the slots of a booking request and answer with JSON.",
            "mode": "system",
        },
        "contract": {"type": "json", "schema_": SCHEMA},
    }
    return TrainParams(**(given | changed))


def pinned(folder: Path, home: Path) -> Path:
    """A base model as the `model` stage leaves it."""
    out = model_stage.Outputs(home / "base", home / "facts.json")
    spec = BaseModel(name="tiny", source="folder", path=str(folder))
    model_stage.run(model_stage.Inputs(folder), model_stage.ModelParams(model=spec), out)
    return out.base


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return pinned(tiny_model(tmp_path_factory.mktemp("tiny")), tmp_path_factory.mktemp("model"))


@pytest.fixture
def build(base, tmp_path, monkeypatch):
    """Run the stage on `count` rows; the threads are fixed, for another number of them rounds otherwise."""
    monkeypatch.setattr(threads, "idle_cores", lambda: 1)

    def build(count=24, name="one", **changed) -> Outputs:
        folder = tmp_path / name
        folder.mkdir()
        write_rows(folder / "train.jsonl", map(row, range(count)))
        write_rows(folder / "dev.jsonl", map(row, range(100, 107)))
        out = Outputs(folder / "adapter", folder / "curve.csv", folder / "report.json")
        stage.run(Inputs(folder / "train.jsonl", folder / "dev.jsonl", base), params(**changed), out)
        return out

    return build


def contents(out: Outputs) -> dict[str, bytes]:
    files = [out.curve, out.report, *sorted(out.adapter.iterdir())]
    return {file.name: file.read_bytes() for file in files}


def codes(error: UserError) -> list[str]:
    return [diagnostic.code for diagnostic in error.diagnostics]


def keys(error: UserError) -> list[str | None]:
    return [diagnostic.key for diagnostic in error.diagnostics]


# ---------------------------------------------------------------- the step


def adapted(folder, family, template=None):
    """A tiny model with an adapter whose B is not zero, so that gradients reach A too. template: instead of its own."""
    import torch

    model, tokenizer = weights.load(Located(tiny_model(folder, family), gguf=False))
    torch.manual_seed(1)
    with stage.silence():
        model = low_rank.add(model, Lora(r=4, alpha=8, dropout=0.0, target_modules="all-linear"))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    tokenizer.chat_template = template or tokenizer.chat_template
    found = examples(map(row, range(6)), tokenizer, params().prompting, params().contract, 256)
    return model, found, tokenizer.pad_token_id


def loss_and_gradients(model, ids, labels, shared=0):
    model.zero_grad()
    loss = answer_loss(model.get_base_model(), ids, labels, shared)
    loss.backward()
    return float(loss.detach()), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_same(found, expected):
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    assert found[1].keys() == expected[1].keys() and len(expected[1]) == 2 * 2 * 7
    for name, gradient in expected[1].items():
        assert float(gradient.abs().max()) > 1e-4, f"{name} has no gradient to compare"
        assert float((found[1][name] - gradient).abs().max()) <= 1e-5 * max(1.0, float(gradient.abs().max())), name


@pytest.mark.parametrize("size", [1, 6])
@pytest.mark.parametrize("template", [None, TEMPLATES["plain"]], ids=["chatml", "plain"])
@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_the_shared_prefix_gives_the_plain_step_s_loss_and_gradients(tmp_path, family, template, size):
    model, found, pad = adapted(tmp_path, family, template)
    ids, labels = padded(found[:size], pad, "cpu")
    shared = common_prefix(found)
    assert shared >= 20
    assert_same(loss_and_gradients(model, ids, labels, shared), loss_and_gradients(model, ids, labels))


def test_the_shared_step_leaves_the_model_with_its_own_attention(tmp_path):
    model, found, pad = adapted(tmp_path, "llama")
    before = model.config._attn_implementation
    loss_and_gradients(model, *padded(found, pad, "cpu"), common_prefix(found))
    assert model.config._attn_implementation == before


def test_the_fused_layer_gives_peft_s_own_loss_and_gradients(tmp_path, monkeypatch):
    fused, found, pad = adapted(tmp_path / "fused", "llama")
    monkeypatch.setattr(lora, "fuse", lambda model: 0)
    peft, _, _ = adapted(tmp_path / "peft", "llama")
    ids, labels = padded(found, pad, "cpu")
    assert not any("forward" in vars(m) for name, m in peft.named_modules() if name.endswith("q_proj"))
    assert_same(loss_and_gradients(fused, ids, labels), loss_and_gradients(peft, ids, labels))


def test_products_in_bfloat16_are_near_those_in_float32_and_nothing_else_is_rounded(tmp_path):
    import torch

    model, found, pad = adapted(tmp_path, "llama")
    ids, labels = padded(found, pad, "cpu")
    loss, gradients = loss_and_gradients(model, ids, labels)
    model.zero_grad()
    assert lora.fuse(model, rounded=True) > 0
    rounded, others = loss_and_gradients(model, ids, labels)
    assert float(rounded) == pytest.approx(float(loss), rel=1e-2)
    for name, gradient in gradients.items():
        assert torch.nn.functional.cosine_similarity(gradient.flatten(), others[name].flatten(), dim=0) > 0.99
    assert torch.backends.mkldnn.matmul.fp32_precision != "bf16"
    with pytest.raises(RuntimeError):
        lora._rounded(torch.ones(2, 3), torch.ones(2, 3))
    assert torch.backends.mkldnn.matmul.fp32_precision != "bf16"


@pytest.mark.parametrize("rounds", [True, False])
def test_a_training_rounds_where_the_processor_is_made_for_it(rounds, build, monkeypatch):
    asked = []
    monkeypatch.setattr(weights, "rounds", lambda device: rounds)
    real = lora._rounded
    monkeypatch.setattr(lora, "_rounded", lambda *given: asked.append(1) or real(*given))
    build()
    assert bool(asked) is rounds


@pytest.mark.parametrize(
    ("device", "amx", "rounds"), [("cpu", True, True), ("cpu", False, False), ("cuda", True, False)]
)
def test_the_processor_tells_whether_it_multiplies_in_bfloat16(device, amx, rounds, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": amx}, raising=False)
    assert ROUNDS(device) is rounds


@pytest.mark.parametrize("family", ["llama", "mistral"])
def test_the_fused_norm_gives_the_family_s_own_loss_and_gradients(family, tmp_path, monkeypatch):
    fused, found, pad = adapted(tmp_path / "fused", family)
    monkeypatch.setattr(norms, "fuse", lambda model: 0)
    plain, _, _ = adapted(tmp_path / "plain", family)
    ids, labels = padded(found, pad, "cpu")
    assert norms_of(fused) == 2 * 2 + 1 and norms_of(plain) == 0
    assert_same(loss_and_gradients(fused, ids, labels), loss_and_gradients(plain, ids, labels))


def norms_of(model):
    """How many compute in one step."""
    return sum("forward" in vars(m) for name, m in model.named_modules() if name.endswith("norm"))


def test_a_norm_that_is_trained_or_scales_otherwise_keeps_its_own_forward(tmp_path):
    import torch

    model, _ = weights.load(Located(tiny_model(tmp_path), gguf=False))
    assert norms.fuse(model) == 0  # its weights are trained
    model.requires_grad_(False)
    other = type(model.model.norm)

    class Scaled(other):
        def forward(self, x):
            return super().forward(x) * 2

    model.model.norm.__class__ = Scaled
    torch.nn.init.normal_(model.model.layers[0].input_layernorm.weight)
    assert norms.fuse(model) == 2 * 2


def test_a_layer_with_dropout_keeps_peft_s_forward(tmp_path):
    model, _ = weights.load(Located(tiny_model(tmp_path), gguf=False))
    with stage.silence():
        model = low_rank.add(model, Lora(r=4, alpha=8, dropout=0.1, target_modules="all-linear"))
    assert lora.fuse(model) == 0


def test_the_plain_step_is_transformers_own_loss(tmp_path):
    import torch

    model, found, pad = adapted(tmp_path, "llama")
    model.requires_grad_(False)
    ids, labels = padded(found, pad, "cpu")
    real = torch.tensor([[1] * len(e) + [0] * (ids.shape[1] - len(e)) for e in found])
    expected = model.get_base_model()(input_ids=ids, labels=labels, attention_mask=real).loss
    learned = sum(len(e.answer) for e in found)
    assert float(answer_loss(model.get_base_model(), ids, labels, 0)) / learned == pytest.approx(
        float(expected), rel=1e-5
    )


def test_padding_changes_no_row_s_loss(tmp_path):
    model, found, pad = adapted(tmp_path, "llama")
    plain, shared = model.get_base_model().requires_grad_(False), common_prefix(found)
    together = float(answer_loss(plain, *padded(found, pad, "cpu"), shared))
    alone = sum(float(answer_loss(plain, *padded([e], pad, "cpu"), shared)) for e in found)
    assert together == pytest.approx(alone, rel=1e-5)


def test_a_sliding_window_shares_no_prefix(tmp_path):
    sliding, found, _ = adapted(tmp_path / "mistral", "mistral")
    plain, _, _ = adapted(tmp_path / "llama", "llama")
    assert shareable(plain.get_base_model())
    assert not shareable(sliding.get_base_model())
    assert what_is_shared(sliding.get_base_model(), found, "auto") == 0
    with pytest.raises(UserError) as refused:
        what_is_shared(sliding.get_base_model(), found, "on")
    assert codes(refused.value) == ["T343"]


@pytest.mark.parametrize("family", ["gpt_neo", "mpt"])
def test_an_attention_that_cannot_be_replaced_shares_no_prefix(tmp_path, family):
    model, tokenizer = weights.load(Located(tiny_model(tmp_path, family), gguf=False))
    found = examples(map(row, range(6)), tokenizer, params().prompting, params().contract, 256)
    assert what_is_shared(model, found, "auto") == 0
    with pytest.raises(UserError) as refused:
        what_is_shared(model, found, "on")
    assert codes(refused.value) == ["T343"]
    with pytest.raises(RuntimeError, match="keeps its own attention"):
        answer_loss(model, *padded(found, tokenizer.pad_token_id, "cpu"), common_prefix(found))


def test_a_shared_prefix_is_used_where_it_pays_or_is_asked_for(tmp_path):
    model, found, _ = adapted(tmp_path, "llama")
    short = [dataclasses.replace(e, prompt=[1, 2, 3, 10 + n]) for n, e in enumerate(found)]
    assert [what_is_shared(model, short, wish) for wish in ("auto", "on", "off")] == [0, 3, 0]
    assert what_is_shared(model, found, "auto") == common_prefix(found)


# ---------------------------------------------------------------- the batches


def test_every_row_comes_once_an_epoch_in_batches_of_like_length():
    lengths = [random.Random(3).randrange(10, 200) for _ in range(330)]
    steps = batches(lengths, size=8, epochs=2, seed=0)
    assert len(steps) == 2 * 42
    assert sorted(row for step in steps[:42] for row in step) == list(range(330))
    assert steps[:42] != steps[42:]
    padded = sum(max(lengths[row] for row in step) * len(step) for step in steps)
    assert padded < 1.1 * 2 * sum(lengths)


def test_a_few_rows_twenty_times_as_long_cost_little_padding():
    draw = random.Random(3)
    lengths = [draw.randrange(20, 40) * (20 if draw.random() < 0.1 else 1) for _ in range(2_000)]
    steps = batches(lengths, size=8, epochs=1, seed=0)
    assert sorted(row for step in steps for row in step) == list(range(2_000))
    padded = sum(max(lengths[row] for row in step) * len(step) for step in steps)
    assert sum(lengths) > 0.95 * padded


def test_a_part_of_an_epoch_is_some_of_its_batches_and_never_none():
    assert len(batches([5] * 80, size=8, epochs=0.25, seed=0)) == 3
    assert len(batches([5] * 8, size=8, epochs=0.01, seed=0)) == 1


def test_another_seed_gives_another_order():
    assert batches([5] * 80, 8, 1, seed=0) == batches([5] * 80, 8, 1, seed=0) != batches([5] * 80, 8, 1, seed=1)


# ---------------------------------------------------------------- the stage


def test_the_same_inputs_give_the_same_bytes_and_another_seed_does_not(build):
    first, second, other = build(name="one"), build(name="two"), build(name="three", seed=1)
    assert contents(first) == contents(second)
    assert contents(first)["adapter_model.safetensors"] != contents(other)["adapter_model.safetensors"]


def test_the_loss_falls_and_the_report_counts(build):
    out = build(count=60, epochs=4)
    curve, report = read_curve(out.curve), read_json(out.report)
    assert [point["step"] for point in curve] == list(range(1, 61))
    assert report["train_loss"] < curve[0]["loss"] - 0.5
    assert report["dev_loss"] < curve[0]["loss"] - 0.5
    assert (report["rows"], report["dev_rows"], report["steps"]) == (60, 7, 60)
    assert report["shared_prefix_tokens"] > 20
    assert 0 < report["learned_tokens_per_epoch"] < report["tokens_per_epoch"]


def test_the_adapter_names_no_machine_and_peft_reads_it(build, base, tmp_path):
    from peft import PeftModel

    from stages.base_model import trainable

    out = build()
    config = (out.adapter / "adapter_config.json").read_text()
    assert sorted(f.name for f in out.adapter.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    assert str(tmp_path.parent) not in config and json.loads(config)["base_model_name_or_path"] is None
    model, _ = weights.load(trainable(base))
    with stage.silence():
        read = PeftModel.from_pretrained(model, out.adapter).state_dict()
    assert any(float(t.abs().sum()) > 0 for name, t in read.items() if "lora_B" in name)


def test_a_run_with_the_shared_prefix_and_one_without_learn_the_same(build):
    on, off = build(name="on", shared_prefix="on"), build(name="off", shared_prefix="off")
    assert read_json(on.report)["shared_prefix_tokens"] > 0 == read_json(off.report)["shared_prefix_tokens"]
    for a, b in zip(read_curve(on.curve), read_curve(off.curve), strict=True):
        assert a["loss"] == pytest.approx(b["loss"], abs=1e-3)


def test_every_step_is_told_and_nothing_is_printed(build, capfd):
    heard = []
    progress.listen(lambda done, total, note: heard.append((done, total, note)))
    try:
        build(count=12)
    finally:
        progress.listen(progress._nobody)
    steps = [entry for entry in heard if "tok/s" in entry[2]]
    assert [(done, total) for done, total, _ in steps] == [(1, 3), (2, 3), (3, 3)]
    assert steps[0][2].startswith("loss ")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("modules", ["no_such_layer", "lm_head", "q_proj,lm_head"])
def test_modules_that_cannot_be_adapted_are_refused(build, modules):
    with pytest.raises(UserError) as refused:
        build(lora={"r": 4, "alpha": 8, "dropout": 0.0, "target_modules": modules})
    assert codes(refused.value) == ["T345"] and keys(refused.value) == ["training.lora.target_modules"]


def test_only_the_named_modules_are_adapted(build):
    from safetensors import safe_open

    out = build(lora={"r": 2, "alpha": 4, "dropout": 0.0, "target_modules": "q_proj, v_proj"})
    with safe_open(out.adapter / "adapter_model.safetensors", "pt") as file:
        assert {name.split(".")[-3] for name in file.keys()} == {"q_proj", "v_proj"}  # noqa: SIM118 - no mapping


def test_a_loss_that_is_no_number_stops_the_run(build):
    with pytest.raises(UserError) as refused:
        build(count=60, epochs=3, learning_rate=1e30, warmup_ratio=0.0)
    assert codes(refused.value) == ["T344"] and keys(refused.value) == ["training.learning_rate"]


def test_a_row_that_is_too_long_stops_the_run_before_it_begins(build):
    with pytest.raises(UserError) as refused:
        build(max_length=20)
    assert codes(refused.value) == ["T340"] and keys(refused.value) == ["training.max_length"]


def test_a_row_that_the_base_model_cannot_read_is_named_whatever_max_length_allows(build):
    """The tiny model reads 512 tokens."""
    with pytest.raises(UserError) as refused:
        build(max_length=4096, prompting={**params().prompting.model_dump(), "system_prompt": "7 " * 600})
    (found,) = refused.value.diagnostics
    assert (found.code, found.key) == ("T807", "training.base_model")
    assert (
        "reads (512 tokens): 24 rows" in found.message and "row0" in found.notes[0] and "max_length" not in found.help
    )


def test_a_base_model_that_cannot_be_loaded_is_told_at_its_key(build, monkeypatch):
    def load(*given, **how):
        raise fail("T323", "the base model has no chat template", help="bring one")

    monkeypatch.setattr(weights, "load", load)
    with pytest.raises(UserError) as refused:
        build()
    assert codes(refused.value) == ["T323"] and keys(refused.value) == ["training.base_model"]


def test_only_training_asks_for_a_gpu_and_only_for_one_that_computes_in_bfloat16(build, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for able, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda able=able: able)
        assert weights.training_device() == device
    asked = []
    monkeypatch.setattr(weights, "training_device", lambda: "here")
    monkeypatch.setattr(weights, "load", lambda located, *, device: asked.append(device) or fail_here())
    with pytest.raises(NotImplementedError):
        build()
    assert asked == ["here"]


def fail_here():
    raise NotImplementedError


def test_threads_follow_the_cores_that_are_idle(monkeypatch):
    import psutil

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: {0, 1, 3}, raising=False)
    for busy, expected in (([0, 0, 0, 0], 3), ([90, 3, 0, 99], 1), ([100] * 4, 1)):
        monkeypatch.setattr(psutil, "cpu_percent", lambda busy=busy, **_: busy)
        assert threads.idle_cores() == expected
    looks = iter([[100] * 4, [0] * 4, [100] * 4])
    monkeypatch.setattr(psutil, "cpu_percent", lambda **_: next(looks))
    assert threads.idle_cores() == 3, "a core is idle that was busy for a moment only"


def test_labels_that_are_one_to_the_model_are_refused_before_the_first_step(tmp_path):
    """Of a tokenizer without accents: no training could tell them apart, whatever answers are read by afterwards."""
    folder = tiny_model(tmp_path / "tiny")
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    labels = ["cafe", "café"]
    for name in ("train", "dev"):
        write_rows(tmp_path / f"{name}.jsonl", [Row(f"{name}{n}", {"text": f"{n}"}, labels[n % 2]) for n in range(4)])
    home = tmp_path / "model"
    home.mkdir()
    inputs = Inputs(tmp_path / "train.jsonl", tmp_path / "dev.jsonl", pinned(folder, home))
    asked = params(contract={"type": "label", "schema_": {"enum": labels}})
    with pytest.raises(UserError, match="the labels 'cafe' and 'café' are the same tokens") as error:
        stage.run(inputs, asked, Outputs(tmp_path / "adapter", tmp_path / "curve.csv", tmp_path / "report.json"))
    assert (codes(error.value), keys(error.value)) == (["T710"], ["output_format.schema"]) and not (
        tmp_path / "curve.csv"
    ).exists()
