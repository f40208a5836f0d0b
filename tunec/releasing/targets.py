"""Where a release goes: the commands that take it there, to the letter. A release itself runs none of them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stages.rows import dumps

FOLDER = "releases"


@dataclass(frozen=True)
class Parcel:
    """What a command has to name. version: as registries of models write it, v2 of booking-slots-v2. schema: as JSON,
    its fields in the order in which the model writes them.
    """

    release: str
    task: str
    version: str
    contract: Mapping[str, Any]
    schema: str | None

    @property
    def folder(self) -> str:
        return f"{FOLDER}/{self.release}"


def parcel(manifest: Mapping[str, Any]) -> Parcel:
    name, task = str(manifest["release"]), str(manifest["task"])
    version = name.removeprefix(task).lstrip("-@_.").replace("@", "-") or name
    schema = manifest["config"]["output_format"]["schema"]  # in `contract` its keys are sorted
    if isinstance(schema, str):
        schema = json.loads(schema)
    return Parcel(name, task, version, manifest["contract"], dumps(schema) if schema else None)


def commands(target: str, manifest: Mapping[str, Any]) -> list[str]:
    """Lines for a shell that stands in the workspace. Every word is quoted: a manifest may be anyone's."""
    return [shlex.join(words) for words in TARGETS[target](parcel(manifest))]


def ollama(parcel: Parcel) -> list[list[str]]:
    names = [f"{parcel.task}:{tag}" for tag in (parcel.version, "latest")]
    return [["ollama", "create", name, "-f", f"{parcel.folder}/Modelfile"] for name in names]


def _huggingface(parcel: Parcel) -> list[list[str]]:
    return [["hf", "auth", "login"], ["tunec", "release", "push", parcel.release, "--to", "huggingface"]]


def _api(parcel: Parcel) -> list[list[str]]:
    """On this machine alone; it answers as OpenAI's API does."""
    return [["pip", "install", "tunec[serve]"], ["tunec", "serve", parcel.release]]


def _local(parcel: Parcel) -> list[list[str]]:
    """By tunec; or, where there is none, by llama.cpp's own program under the contract's system prompt and schema."""
    from stages.templating import placeholders

    contract = parcel.contract
    template = str(contract["input_template"])
    asked = [f"{field}=..." for field in sorted(placeholders(template))]
    words = ["llama-cli", "-m", f"{parcel.folder}/model.gguf", "--temp", "0", "-st"]
    words += ["-sys", str(contract["system_prompt"])] if contract.get("system_prompt") else []
    words += ["-j", parcel.schema] if parcel.schema else []
    return [["tunec", "ask", parcel.folder, *asked], [*words, "-p", template]]


def _remote(parcel: Parcel) -> list[list[str]]:
    return [["tunec", "release", "push", parcel.release, "--to", "remote"], ["git", "push", "--follow-tags"]]


TARGETS: dict[str, Callable[[Parcel], list[list[str]]]] = {
    "api": _api,
    "huggingface": _huggingface,
    "local": _local,
    "ollama": ollama,
    "remote": _remote,
}
