"""A base model that names code of its own is refused wherever it comes from, and none of its files is run.

Known cases: `trust_remote_code`, CVE-2026-4372 (a kernel of the Hub, named in config.json).
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages import foreign_code, gguf_header, model, weights
from stages.base_model import BaseModel, trainable
from stages.baselines import encoder
from stages.baselines._ask import Question
from stages.contract import Contract
from stages.diagnostics import UserError
from stages.engines.transformers import Transformers
from stages.rows import Row
from tests.security.test_gguf_header import packed, pair, string
from tests.stages.teaching import taught, trained
from tests.stages.test_train import params
from tests.stages.tiny_gguf import tiny_gguf
from tests.tiny import tiny_model

EVIL = {"AutoModelForCausalLM": "evil.Model", "AutoModel": "evil.Model", "AutoTokenizer": ["evil.Tokenizer", None]}
CONFIGS = [
    ("config.json", {"auto_map": EVIL}),
    ("config.json", {"auto_map": None}),
    ("config.json", {"text_config": {"auto_map": EVIL}}),
    ("config.json", {"attn_implementation": "evil/kernel"}),
    ("config.json", {"_attn_implementation_internal": "evil/kernel"}),
    ("tokenizer_config.json", {"auto_map": EVIL}),
    ("generation_config.json", {"auto_map": EVIL}),
    ("processor_config.json", {"auto_map": {"AutoProcessor": "evil.Model"}}),
    ("config.4.0.0.json", {"attn_implementation": "evil/kernel"}),  # config.json may name it: `configuration_files`
]
COMMIT = "0" * 40
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("calm") / "model")


@pytest.fixture
def evil(calm: Path, tmp_path: Path) -> Callable[[str, Any], Path]:
    """A copy of the tiny model whose configuration names a file that would leave a canary."""

    def evil(name: str, values: Any) -> Path:
        folder = shutil.copytree(calm, tmp_path / "evil")
        (folder / "evil.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\nclass Model: ...\n")
        file = folder / name
        before = json.loads(file.read_text()) if file.is_file() else {}
        file.write_text(json.dumps(before | values))
        return folder

    return evil


def refused(run: Callable[[], Any], home: Path) -> None:
    with pytest.raises(UserError) as error:
        run()
    (found,) = error.value.diagnostics
    assert found.code == "T334" and found.help
    assert not (home / "canary").exists()


def pin(spec: BaseModel, home: Path, files: Path | None = None) -> Path:
    out = model.Outputs(home / "build" / "model-x" / "base", home / "build" / "model-x" / "facts.json")
    out.base.parent.mkdir(parents=True)
    model.run(model.Inputs(files), model.ModelParams(model=spec), out)
    return out.base


@pytest.mark.parametrize(("name", "values"), CONFIGS)
def test_a_folder_is_refused_before_it_is_pinned(name: str, values: Any, evil: Any, tmp_path: Path) -> None:
    folder = evil(name, values)
    refused(lambda: pin(BaseModel(name="x", source="folder", path=str(folder)), tmp_path, folder), tmp_path)
    assert not (tmp_path / "build" / "model-x" / "base").exists()


@pytest.mark.parametrize(("name", "values"), CONFIGS)
def test_a_model_of_the_hub_is_refused_and_its_code_is_not_even_fetched(
    name: str, values: Any, evil: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    folder, asked = evil(name, values), []

    def snapshot_download(repo: str, *, revision: str, allow_patterns: list[str], **_: Any) -> str:
        asked.extend(allow_patterns)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    refused(lambda: pin(BaseModel(name="x", source="hub", repo="org/x", revision=COMMIT), tmp_path), tmp_path)
    assert asked and not any("py" in pattern or pattern == "*" for pattern in asked)


KERNELS = """\
from pathlib import Path


class Anything:
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *given, **named):
        return given[0] if given and isinstance(given[0], type) else self


def get_kernel(*given, **named):
    Path({canary!r}).touch()
    raise FileNotFoundError("a kernel would have been fetched, and run")


anything = Anything()


def __getattr__(name):
    return getattr(anything, name)
"""
LOAD = """\
import sys
from pathlib import Path

from stages import weights
from stages.base_model import Located
from stages.diagnostics import UserError

try:
    weights.load(Located(Path(sys.argv[1]), gguf=False))
except UserError as error:
    print(*(found.code for found in error.diagnostics))
"""


def test_no_kernel_is_fetched_where_the_package_that_does_so_is_installed(evil: Any, tmp_path: Path) -> None:
    """`flash_attention_2` names no repository, but where flash-attn is not installed it comes from the Hub."""
    from transformers.utils.import_utils import KERNELS_MIN_VERSION

    folder, site, canary = (
        evil("config.json", {"attn_implementation": "flash_attention_2"}),
        tmp_path / "site",
        tmp_path / "canary",
    )
    metadata = site / f"kernels-{KERNELS_MIN_VERSION}.dist-info" / "METADATA"
    for file, text in (
        (site / "kernels" / "__init__.py", KERNELS.format(canary=str(canary))),
        (metadata, f"Metadata-Version: 2.1\nName: kernels\nVersion: {KERNELS_MIN_VERSION}\n"),
    ):
        file.parent.mkdir(parents=True)
        file.write_text(text)
    path = os.pathsep.join([str(site), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), canary.exists()) == ("T336", False), done.stderr[-2000:]


def test_an_adapter_is_no_base_model_for_nothing_pins_the_one_that_it_names(calm: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(calm, tmp_path / "adapted")
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "evil/base"}))
    with pytest.raises(UserError) as error:
        pin(BaseModel(name="x", source="folder", path=str(folder)), tmp_path, folder)
    (found,) = error.value.diagnostics
    assert found.code == "T336" and "adapter" in found.message and "merge" in str(found.help)


def test_however_deep_a_configuration_is_nested_it_is_looked_at_whole(tmp_path: Path) -> None:
    values: Any = {"auto_map": EVIL}
    for _ in range(5000):
        values = {"inner": [values]}
    assert list(foreign_code._code(values)) == ["auto_map"]


def test_what_was_unpacked_of_a_gguf_names_no_code_and_is_refused_once_it_does(tmp_path: Path) -> None:
    base = pin(BaseModel(name="x", source="gguf", path=str(tiny_gguf())), tmp_path, tiny_gguf())
    assert not any("auto_map" in file.read_text(encoding="utf-8") for file in base.glob("*config.json"))
    file = base / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"auto_map": EVIL}))
    (base / "evil.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')")
    refused(lambda: weights.load(trainable(base)), tmp_path)


def with_texts(whole: bytes, texts: dict[str, str]) -> bytes:
    """A GGUF with further texts before its own metadata; what follows is moved by whole blocks of 32 bytes."""
    (pairs,) = struct.unpack_from("<Q", whole, 16)
    added = b"".join(pair(key, 8, string(text)) for key, text in texts.items())
    fill = -(len(added) + len(pair("fill", 8, string("")))) % 32
    added += pair("fill", 8, string(" " * fill))
    return whole[:16] + packed(pairs + len(texts) + 1) + added + whole[24:]


def test_a_gguf_cannot_name_code_in_its_header(tmp_path: Path) -> None:
    """What transformers makes of a key that it does not know is nothing."""
    planted = tmp_path / "planted.gguf"
    planted.write_bytes(with_texts(tiny_gguf().read_bytes(), {"auto_map": "evil.Model", "llama.auto_map": "evil"}))
    assert gguf_header.read(planted).metadata["auto_map"] == "evil.Model"
    base = pin(BaseModel(name="x", source="gguf", path=str(planted)), tmp_path, planted)
    assert not any("auto_map" in file.read_text(encoding="utf-8") for file in base.glob("*config.json"))


def test_a_model_that_came_to_name_code_after_it_was_pinned_is_neither_trained_nor_asked(
    calm: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(calm, tmp_path / "later")
    base = pin(BaseModel(name="x", source="folder", path=str(folder)), tmp_path, folder)
    file = folder / "config.json"
    values = json.loads(file.read_text()) | {"auto_map": EVIL}
    size = file.stat().st_size
    text = json.dumps(values, separators=(",", ":"))
    file.write_text(text.ljust(size))
    manifest = json.loads((base / "manifest.json").read_text())
    for entry in manifest["files"]:
        entry["bytes"] = (folder / entry["name"]).stat().st_size  # as if its size had stayed
    (base / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "train").mkdir()
    rows = [taught("sft", n) for n in range(4)]
    refused(lambda: trained(tmp_path / "train", base, rows, rows, params()), tmp_path)
    refused(lambda: Transformers(folder), tmp_path)


def test_an_encoder_of_the_workspace_is_refused_too(evil: Any, tmp_path: Path) -> None:
    folder = evil("config.json", {"auto_map": EVIL})
    rows = [Row(str(n), {"text": "a"}, "yes") for n in range(2)]
    labels = Contract(type="label", schema_={"enum": ["yes", "no"]})
    question = Question(rows, lambda: iter(rows), labels, None, None, None, {"model": str(folder)})
    refused(lambda: list(encoder.answer(question)), tmp_path)
