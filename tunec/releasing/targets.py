"""Where a release goes: the commands that take it there, to the letter. tunec runs none of them, and pushes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stages.rows import dumps

FOLDER = "releases"


@dataclass(frozen=True)
class Parcel:
    """What a command has to name. version: as registries of models write it, v2 of booking-slots-v2."""

    folder: str
    task: str
    version: str
    contract: Mapping[str, Any]


def commands(target: str, manifest: Mapping[str, Any]) -> list[str]:
    """Lines for a shell that stands in the workspace. Every word is quoted: a manifest may be anyone's."""
    name, task = str(manifest["release"]), str(manifest["task"])
    version = name.removeprefix(task).lstrip("-@_.").replace("@", "-") or name
    parcel = Parcel(f"{FOLDER}/{name}", task, version, manifest["contract"])
    return [shlex.join(words) for words in TARGETS[target](parcel)]


def _huggingface(parcel: Parcel) -> list[list[str]]:
    message = f"{parcel.task} {parcel.version}"
    return [
        ["hf", "auth", "login"],
        ["hf", "upload", parcel.task, parcel.folder, ".", "--commit-message", message],
        ["hf", "repos", "tag", "create", parcel.task, parcel.version],
    ]


def _ollama(parcel: Parcel) -> list[list[str]]:
    names = [f"{parcel.task}:{tag}" for tag in (parcel.version, "latest")]
    return [*(["ollama", "create", name, "-f", f"{parcel.folder}/Modelfile"] for name in names)]


def _api(parcel: Parcel) -> list[list[str]]:
    """llama-cpp-python's own server, on this machine alone; it answers as OpenAI's API does."""
    serve = ["python", "-m", "llama_cpp.server", "--model", f"{parcel.folder}/model.gguf"]
    alias = ["--model_alias", f"{parcel.task}-{parcel.version}", "--host", "127.0.0.1", "--port", "8000"]
    return [["pip", "install", "llama-cpp-python[server]"], serve + alias]


def _local(parcel: Parcel) -> list[list[str]]:
    """llama.cpp's own program, under the contract's system prompt and schema; the message is the input's template."""
    contract = parcel.contract
    words = ["llama-cli", "-m", f"{parcel.folder}/model.gguf", "--temp", "0", "-st"]
    words += ["-sys", str(contract["system_prompt"])] if contract.get("system_prompt") else []
    words += ["-j", dumps(contract["schema"])] if contract.get("schema") else []
    return [[*words, "-p", str(contract["input_template"])]]


TARGETS: dict[str, Callable[[Parcel], list[list[str]]]] = {
    "api": _api,
    "huggingface": _huggingface,
    "local": _local,
    "ollama": _ollama,
}
