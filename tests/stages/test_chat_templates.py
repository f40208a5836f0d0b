"""A base model without a chat template: the task's own goes where the model's would, in every file made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stages import export, gguf_header, model, weights
from stages.base_model import BaseModel, locate, trainable
from stages.chat_templates import TEMPLATES, own_template
from stages.diagnostics import UserError
from stages.engines.transformers import Transformers
from stages.supervision import examples
from tests.stages.teaching import taught, trained
from tests.stages.test_train import params, row
from tests.tiny import tiny_model

MINE = "{% for m in messages %}[{{ m.role }}] {{ m.content }}{{ eos_token }}{% endfor %}[assistant] "


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose tokenizer has no chat template."""
    folder = tiny_model(tmp_path_factory.mktemp("bare") / "model")
    file = folder / "tokenizer_config.json"
    config = {name: value for name, value in json.loads(file.read_text()).items() if name != "chat_template"}
    file.write_text(json.dumps(config))
    return folder


def pinned(bare: Path, home: Path, name: str | None, file: Path | None = None) -> Path:
    out = model.Outputs(home / "build" / "model-bare" / "base", home / "build" / "model-bare" / "facts.json")
    out.base.parent.mkdir(parents=True)
    spec = BaseModel(name="bare", source="folder", path=str(bare), chat_template=name)
    model.run(model.Inputs(bare, file), model.ModelParams(model=spec), out)
    return out.base


def test_without_one_the_model_is_refused_and_the_help_names_the_key(bare: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        weights.tokenizer_of(trainable(pinned(bare, tmp_path, None)))
    (found,) = refused.value.diagnostics
    assert found.code == "T323" and "training.chat_template" in str(found.help)


@pytest.mark.parametrize("name", TEMPLATES)
def test_one_that_tunec_brings_is_learned_with_its_stop_token(name: str, bare: Path, tmp_path: Path) -> None:
    base = trainable(pinned(bare, tmp_path, name))
    tokenizer = weights.tokenizer_of(base)
    how = params()
    (found,) = examples([row(1)], tokenizer, how.prompting, how.contract, 256)
    assert tokenizer.decode(found.answer) == '{"people": "five", "time": "2 pm"}<|im_end|>'
    assert found.answer[-1] == tokenizer.eos_token_id and len(found.answer) > 4
    asked = tokenizer.decode(found.prompt)
    assert "Message: A table for five" in asked and how.prompting.system_prompt in asked


def test_what_is_made_of_the_model_has_the_template(bare: Path, tmp_path: Path) -> None:
    """Trained on, asked as a baseline, merged, and in the GGUF's header, where serving reads it."""
    file = tmp_path / "mine.jinja"
    file.write_text(MINE)
    base = pinned(bare, tmp_path, "mine.jinja", file)
    assert Transformers(locate(base).path).chat_template().source == MINE
    (tmp_path / "train").mkdir()
    rows = [taught("sft", n) for n in range(8)]
    out = trained(tmp_path / "train", base, rows, rows[:2], params())
    made = export.Outputs(tmp_path / "merged", tmp_path / "f16.gguf")
    export.run(export.Inputs(out.adapter, base), export.ExportParams(name="bare"), made)
    assert weights.chat_template(weights.tokenizer_of(export.Located(made.merged, gguf=False))).source == MINE
    assert gguf_header.read(made.f16).metadata["tokenizer.chat_template"] == MINE
    again = pinned(bare, tmp_path / "other", "mine.jinja", file)
    assert (again / "own_template.jinja").read_bytes() == (base / "own_template.jinja").read_bytes()


def test_another_template_takes_the_place_of_the_one_before_and_the_model_s_own_files_stay(
    bare: Path, tmp_path: Path
) -> None:
    before = {file.name: file.read_bytes() for file in bare.iterdir()}
    base = pinned(bare, tmp_path, "plain")
    first, again = trainable(base).path, trainable(base).path
    assert first == again and first.parent == base.parent / ".templated"
    assert (first / "model.safetensors").resolve() == (bare / "model.safetensors").resolve()
    (base / "own_template.jinja").write_text(TEMPLATES["chatml"], encoding="utf-8")
    (first.parent / "half").mkdir()
    second = trainable(base).path
    assert list(second.parent.iterdir()) == [second] != [first], "nothing of an older template is left"
    assert (second / "chat_template.jinja").read_text(encoding="utf-8") == TEMPLATES["chatml"]
    assert {file.name: file.read_bytes() for file in bare.iterdir()} == before


def test_a_folder_of_links_that_was_half_made_is_made_whole(bare: Path, tmp_path: Path) -> None:
    base = pinned(bare, tmp_path, "plain")
    made = trainable(base).path
    links = {file.name for file in made.iterdir()}
    (made / "model.safetensors").unlink()
    assert {file.name for file in trainable(base).path.iterdir()} == links


def test_a_gguf_without_a_template_is_unpacked_with_the_task_s(bare: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "train"
    adapter.mkdir()
    rows = [taught("sft", n) for n in range(8)]
    chatml = pinned(bare, tmp_path / "first", "chatml")
    out = trained(adapter, chatml, rows, rows[:2], params())
    made = export.Outputs(tmp_path / "merged", tmp_path / "f16.gguf")
    export.run(export.Inputs(out.adapter, chatml), export.ExportParams(name="bare"), made)
    home = tmp_path / "second" / "build" / "model-bare"
    home.mkdir(parents=True)
    spec = BaseModel(name="bare", source="gguf", path=str(made.f16), chat_template="plain")
    model.run(model.Inputs(made.f16), model.ModelParams(model=spec), model.Outputs(home / "base", home / "facts.json"))
    for place in (trainable(home / "base"), locate(home / "base")):
        assert not place.gguf and weights.chat_template(weights.tokenizer_of(place)).source == TEMPLATES["plain"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{% for m in messages %}{{ m.content }}", "end of template"),
        ("{{ bos_token }}", "does not show"),
        ("{% for m in messages|reverse %}{{ m.content }}{% endfor %}", "does not show"),
        ("{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}", "does not show"),
        ("{{ messages.__class__.__mro__ }}", "cannot be used"),
        ("{{ raise_exception('no system') }}", "no system"),
        (b"\xff\xfe", "no UTF-8"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_with_its_file(source: Any, said: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.jinja"
    file.write_bytes(source if isinstance(source, bytes) else source.encode())
    with pytest.raises(UserError) as refused:
        own_template("mine.jinja", file)
    (found,) = refused.value.diagnostics
    assert found.code == "T801" and found.help and "mine.jinja" in found.message
    assert said in found.message
