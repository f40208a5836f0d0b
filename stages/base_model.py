"""Where a base model comes from, and where its files lie on this machine.

Four kinds of source: a GGUF inside an installed package, a GGUF file, a transformers folder, a Hub id with a pinned
revision. A manifest names the files by sha256 and never by an absolute path, so it is the same on every machine;
`locate` finds the files again.
"""

from __future__ import annotations

import errno
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from stages.base import Key, Params
from stages.diagnostics import fail
from stages.rows import read_json, sha256
from stages.templated import with_template

MANIFEST = "manifest.json"
OWN_TEMPLATE = "own_template.jinja"  # the task's, in `base`
WEIGHTS = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")  # never a pickle


class BaseModel(Params):
    """A base model as task.yaml and conf/base_model/ describe it.

    source: package (`package`, `file`), gguf (`path`), folder (`path`) or hub (`repo`, `revision`: a full commit).
    license: SPDX name in lower case. context_length: tokens. parameters: how many weights.
    chat_template: the task's own (stages/chat_templates.py); None: the model's.
    """

    name: Annotated[str, Key("base_model.name")]
    source: Annotated[Literal["package", "gguf", "folder", "hub"], Key("base_model.source")]
    package: Annotated[str | None, Key("base_model.package")] = None
    file: Annotated[str | None, Key("base_model.file")] = None
    path: Annotated[str | None, Key("base_model.path")] = None
    repo: Annotated[str | None, Key("base_model.repo")] = None
    revision: Annotated[str | None, Key("base_model.revision")] = None
    sha256: Annotated[str | None, Key("base_model.sha256")] = None
    license: Annotated[str | None, Key("base_model.license")] = None
    context_length: Annotated[int | None, Key("base_model.context_length")] = None
    parameters: Annotated[int | None, Key("base_model.parameters")] = None
    chat: Annotated[dict[str, Any] | None, Key("base_model.chat")] = None
    chat_template: Annotated[str | None, Key("training.chat_template", rare=True)] = None

    def place(self) -> dict[str, Any]:
        """What `find` needs: where the files are, and nothing else that is known of them."""
        return self.model_dump(exclude_none=True, exclude={"sha256", "license", "context_length", "parameters"})


@dataclass(frozen=True)
class Located:
    """A base model's files on this machine: `path` is a GGUF file or a transformers folder. template: a file with the
    chat template that takes the place of its own."""

    path: Path
    gguf: bool
    template: Path | None = None

    def files(self) -> list[Path]:
        """Every file that is part of the model, sorted by name."""
        if self.gguf:
            return [self.path]
        return sorted({file for pattern in WEIGHTS for file in self.path.glob(pattern)})


def find(model: BaseModel) -> Located:
    """The model's files; those of a Hub model are fetched unless the Hub's cache has that commit, which never changes.

    Raises T330 to T332 when they are not to be had.
    """
    match model.source:
        case "package":
            return Located(_in_package(model), gguf=True)
        case "gguf":
            return Located(_existing(model, Path(str(model.path)), file=True), gguf=True)
        case "folder":
            return Located(_existing(model, Path(str(model.path)), file=False), gguf=False)
        case "hub":
            return Located(_snapshot(model), gguf=False)


def locate(base: Path) -> Located:
    """The files that the `model` stage pinned in its folder `base`, checked for size. Sources: see `find`.

    With a chat template of the task's, a transformers folder that has it. Raises T330 to T332 as `find` does, T333 when
    they are other files.
    """
    manifest = read_json(base / MANIFEST)
    found = find(BaseModel(**manifest["model"]))
    wanted = {item["name"]: item["bytes"] for item in manifest["files"]}
    here = {file.name: file.stat().st_size for file in found.files()}
    if here != wanted:
        raise fail(
            "T333",
            "the base model's files are not those that its manifest names",
            notes=tuple(f"differs: {name}" for name in sorted({n for n, _ in here.items() ^ wanted.items()})),
            help=f"run `dvc repro --force {base.parent.name}`, which pins the files anew",
        )
    template = base / OWN_TEMPLATE
    if not template.is_file():
        return found
    return Located(base, gguf=False) if found.gguf else Located(with_template(found, template), gguf=False)


def trainable(base: Path) -> Located:
    """The same model as a transformers folder: unpacked in `base` when the source is a GGUF, else the source itself."""
    return Located(base, gguf=False) if (base / "config.json").is_file() else locate(base)


def of_variant(variant: str, bases: Mapping[str, Path]) -> Path:
    """The base model of a variant, whose slug begins with its model's; of two models that fit, the longer is meant."""
    return bases[max((name for name in bases if variant.startswith(f"{name}-")), key=len)]


def describe(located: Located) -> list[dict[str, Any]]:
    """Name, size and sha256 of every file of a model."""
    return [{"name": f.name, "bytes": f.stat().st_size, "sha256": sha256(f)} for f in located.files()]


def _in_package(model: BaseModel) -> Path:
    name = str(model.package)  # of a dotted name, find_spec would run the packages above it
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        package = name.replace("_", "-")
        raise fail(
            "T330",
            f"the package {package!r} of base model {model.name!r} is not installed",
            help=f"pip install {package}",
        )
    home = Path(spec.submodule_search_locations[0])
    path = home / str(model.file)
    if not path.resolve().is_relative_to(home.resolve()):
        message = f"base model {model.name!r}: its file lies outside the package {name!r}"
        raise fail("T331", message, help="name a file of the package in base_model.file")
    return _existing(model, path, file=True)


def _existing(model: BaseModel, path: Path, *, file: bool) -> Path:
    if path.is_file() if file else (path / "config.json").is_file():
        return path
    what = "a GGUF file" if file else "a transformers folder (with a config.json)"
    shown = path.name if path.is_absolute() else str(path)
    raise fail(
        "T331",
        f"base model {model.name!r}: {shown} is not {what}",
        help="correct training.base_model, or bring the files",
    )


def _snapshot(model: BaseModel) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    from stages.hub_refusals import why

    try:
        folder = snapshot_download(str(model.repo), revision=model.revision, allow_patterns=list(WEIGHTS))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise fail(
            "T332",
            f"the base model {model.repo}@{model.revision} cannot be had from the Hub: {why(error)}",
            help="check the network and your access (`hf auth login`), or name a local folder as training.base_model",
        ) from None
    return Path(folder)
