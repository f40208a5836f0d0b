import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from stages.base_model import Located
from stages.chat import Piece, Prompt
from stages.diagnostics import UserError
from stages.gguf_parsing import parsed_once
from stages.weights import _reason, chat_template, encode, load
from tests.stages.tiny_gguf import tiny_gguf
from tests.tiny import tiny_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tokenizer(folder):
    return load(Located(folder, gguf=False))[1]


def test_the_tiny_model_has_the_same_bytes_every_time(folder, tmp_path):
    again = tiny_model(tmp_path / "again")
    assert {f.name: f.read_bytes() for f in again.iterdir()} == {f.name: f.read_bytes() for f in folder.iterdir()}


def test_the_tiny_tokenizer_agrees_with_sentencepiece(folder, tokenizer):
    import sentencepiece

    piece = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    for text in ("Table for two", "  two  spaces, äß 中文 🚀\n\n", '{"people": "11"}'):
        assert encode(tokenizer, Prompt("", (Piece(text),))) == piece.encode(text)
        assert tokenizer.decode(piece.encode(text)) == text


def test_weights_are_float32_on_the_cpu_also_beside_a_gpu_and_can_be_saved(folder, tmp_path, monkeypatch):
    import torch

    for says in ("is_available", "is_bf16_supported"):
        monkeypatch.setattr(torch.cuda, says, lambda: True)
    model, _ = load(Located(folder, gguf=False))
    assert {(p.dtype, p.device.type) for p in model.parameters()} == {(torch.float32, "cpu")}
    model.save_pretrained(tmp_path / "copy")
    assert (tmp_path / "copy" / "model.safetensors").is_file()


def test_a_special_token_in_plain_text_stays_text(tokenizer):
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    parsed = encode(tokenizer, Prompt("", (Piece("<|im_end|>"),)))
    plain = encode(tokenizer, Prompt("", (Piece("<|im_end|>", plain=True),)))
    assert parsed == [end]
    assert end not in plain
    assert tokenizer.decode(plain) == "<|im_end|>"


def test_no_beginning_token_is_added_that_the_template_did_not_write(tokenizer):
    tokenizer.add_bos_token = True
    try:
        ids = encode(tokenizer, Prompt("", (Piece("hello"), Piece(" there"))))
    finally:
        tokenizer.add_bos_token = False
    assert tokenizer.bos_token_id not in ids


def test_the_chat_template_brings_every_special_token(tokenizer):
    template = chat_template(tokenizer)
    assert {"<|im_start|>", "<|im_end|>", "<|endoftext|>", "<s>", "</s>"} <= set(template.special_tokens)
    assert template.eos_token == "<|im_end|>"
    assert (
        template.render([{"role": "user", "content": "hi"}])
        == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    )


def _changed(folder: Path, name: str, change, target: Path) -> Path:
    import shutil

    shutil.copytree(folder, target)
    values = json.loads((target / name).read_text())
    change(values)
    (target / name).write_text(json.dumps(values))
    return target


def test_a_tokenizer_without_padding_pads_with_its_end(folder, tmp_path):
    bare = _changed(folder, "tokenizer_config.json", lambda c: c.pop("pad_token"), tmp_path / "bare")
    _, tokenizer = load(Located(bare, gguf=False))
    assert tokenizer.pad_token == "<|im_end|>"


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_model_that_wants_to_run_its_own_code_is_refused(folder, tmp_path, name):
    def ask(values):
        values["auto_map"] = {"AutoModelForCausalLM": "evil.Model", "AutoTokenizer": ["evil.Tokenizer", None]}

    hostile = _changed(folder, name, ask, tmp_path / "hostile")
    (hostile / "evil.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')")
    with pytest.raises(UserError) as refused:
        load(Located(hostile, gguf=False))
    assert [d.code for d in refused.value.diagnostics] == ["T334"]
    assert not (tmp_path / "canary").exists()


def test_a_model_without_a_chat_template_is_refused(folder, tmp_path):
    mute = _changed(folder, "tokenizer_config.json", lambda c: c.pop("chat_template"), tmp_path / "mute")
    with pytest.raises(UserError) as refused:
        load(Located(mute, gguf=False))
    assert [d.code for d in refused.value.diagnostics] == ["T323"]


def test_a_pickle_is_never_read(folder, tmp_path):
    import shutil

    import torch

    pickled = tmp_path / "pickled"
    shutil.copytree(folder, pickled)
    (pickled / "model.safetensors").unlink()
    torch.save({}, pickled / "pytorch_model.bin")
    assert "safetensors" in refusal(Located(pickled, gguf=False), tmp_path)


def refusal(located: Located, home: Path) -> str:
    """The message of T336, which is one line and names no folder of this machine."""
    with pytest.raises(UserError) as refused:
        load(located)
    (found,) = refused.value.diagnostics
    assert found.code == "T336" and found.help
    assert "\n" not in found.message and str(home) not in found.message
    return found.message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.json", "{not json"),
        ("config.json", "[]"),
        ("config.json", '{"model_type": "no-such-model"}'),
        ("config.json", "{}"),
        ("tokenizer.json", "{}"),
        ("model.safetensors", "no weights"),
    ],
)
def test_a_folder_that_transformers_cannot_read_is_refused(folder, tmp_path, name, text):
    import shutil

    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / name).write_text(text)
    refusal(Located(broken, gguf=False), tmp_path)


def read_by_transformers() -> tuple[Any, Any, dict[str, Any]]:
    """Config, tokenizer and weights of the tiny GGUF, as transformers itself takes them from the file."""
    from transformers import modeling_gguf_pytorch_utils as reading

    found = reading.load_gguf_checkpoint(str(tiny_gguf()), return_tensors=False)
    return found["config"], found["tokenizer"], {"name": reading.read_field(reader(), "general.name")}


def reader() -> Any:
    import gguf

    return gguf.GGUFReader(tiny_gguf())


def test_what_is_parsed_once_is_what_transformers_parses() -> None:
    theirs = read_by_transformers()
    with parsed_once():
        assert reader() is reader()
        assert read_by_transformers() == theirs == read_by_transformers()
        ours = [(tensor.name, tensor.data.tobytes()) for tensor in reader().tensors]
    assert reader() is not reader()
    assert ours == [(tensor.name, tensor.data.tobytes()) for tensor in reader().tensors]


def test_a_transformers_that_names_it_otherwise_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import modeling_gguf_pytorch_utils as reading

    monkeypatch.delattr(reading, "_gguf_parse_value")
    with parsed_once():
        assert not hasattr(reading, "_gguf_parse_value") and reader().fields
    assert not hasattr(reading, "_gguf_parse_value")


def test_a_gguf_that_transformers_cannot_read_is_refused(tmp_path):
    import gguf

    writer = gguf.GGUFWriter(tmp_path / "odd.gguf", "no-such-architecture")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    assert "no-such-architecture" in refusal(Located(tmp_path / "odd.gguf", gguf=True), tmp_path)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), MemoryError()])
def test_a_full_disk_and_a_full_memory_are_not_the_model_s_fault(folder, monkeypatch, error):
    import transformers

    def full(*_, **__):
        raise error

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", full)
    with pytest.raises(type(error)):
        load(Located(folder, gguf=False))


def test_a_reason_names_files_without_their_folders():
    said = "cannot read /home/anna/my models/x.gguf or '/opt/lib/y.py' (see https://huggingface.co/docs/z)\nmore"
    assert _reason(ValueError(said), Path("/home/anna/my models/x.gguf")) == (
        "cannot read x.gguf or 'y.py' (see https://huggingface.co/docs/z)"
    )
    assert _reason(KeyError(), Path("/x")) == "KeyError"


def changed(folder: Path, to: Path, file: str, change) -> Located:
    """A copy of the tiny model with one of its files otherwise."""
    shutil.copytree(folder, to)
    content = json.loads((to / file).read_text())
    change(content)
    (to / file).write_text(json.dumps(content))
    return Located(to, gguf=False)


def test_a_tokenizer_without_pad_and_end_is_refused_and_one_with_an_end_pads_with_it(folder, tmp_path):
    def neither(config):
        del config["pad_token"], config["eos_token"]

    with pytest.raises(UserError) as refused:
        load(changed(folder, tmp_path / "a", "tokenizer_config.json", neither))
    assert [(d.code, bool(d.help)) for d in refused.value.diagnostics] == [("T667", True)]
    located = changed(folder, tmp_path / "b", "tokenizer_config.json", lambda config: config.pop("pad_token"))
    assert load(located)[1].pad_token == "<|im_end|>"


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(folder, tmp_path):
    def one_more(content):
        last = max(token["id"] for token in content["added_tokens"]) + 600
        content["added_tokens"].append({**content["added_tokens"][-1], "id": last, "content": "<|more|>"})

    with pytest.raises(UserError) as refused:
        load(changed(folder, tmp_path / "a", "tokenizer.json", one_more))
    assert [(d.code, bool(d.help)) for d in refused.value.diagnostics] == [("T668", True)]


def test_an_adapter_of_another_base_model_is_refused(folder, tmp_path):
    import torch
    from safetensors.torch import save_file

    from stages import adapter

    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_{}.weight"
    tmp_path.joinpath("adapter_config.json").write_text('{"peft_type": "LORA", "r": 2, "lora_alpha": 4}')
    tensors = {name.format("A"): torch.ones(2, 48), name.format("B"): torch.ones(64, 2)}
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    with pytest.raises(UserError) as refused:
        adapter.add(load(Located(folder, gguf=False))[0], tmp_path)
    assert [(d.code, bool(d.help)) for d in refused.value.diagnostics] == [("T387", True)]
