"""Where a release goes: the commands that take it there, to the letter. tunec runs none of them, and pushes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any

from stages.rows import dumps

FOLDER = "releases"


def commands(target: str, name: str, version: str, manifest: Mapping[str, Any]) -> list[str]:
    """Lines for a shell that stands in the workspace. version: the name without the task's."""
    folder = f"{FOLDER}/{name}"
    return TARGETS[target](folder, str(manifest["config"]["task_name"]), version, manifest)


def short(name: str, task: str) -> str:
    """The version as registries of models write it: booking-slots-v2 -> v2."""
    return name.removeprefix(task).lstrip("-@_.").replace("@", "-") or name


def _huggingface(folder: str, task: str, version: str, manifest: Mapping[str, Any]) -> list[str]:
    return [
        "hf auth login",
        f"hf upload {task} {folder} . --commit-message {shlex.quote(f'{task} {version}')}",
        f"hf repos tag create {task} {version}",
    ]


def _ollama(folder: str, task: str, version: str, manifest: Mapping[str, Any]) -> list[str]:
    create = [f"ollama create {task}:{tag} -f {folder}/Modelfile" for tag in (version, "latest")]
    return [*create, f"ollama run {task}:{version}"]


def _api(folder: str, task: str, version: str, manifest: Mapping[str, Any]) -> list[str]:
    serve = f"python -m llama_cpp.server --model {folder}/model.gguf --model_alias {task}-{version}"
    return ["pip install 'llama-cpp-python[server]'", f"{serve} --host 127.0.0.1 --port 8000"]


def _local(folder: str, task: str, version: str, manifest: Mapping[str, Any]) -> list[str]:
    """llama.cpp's own program, under the contract's system prompt and schema."""
    contract = manifest["contract"]
    words = ["llama-cli", "-m", f"{folder}/model.gguf", "--temp", "0", "-st"]
    words += ["-sys", contract["system_prompt"]] if contract.get("system_prompt") else []
    words += ["-j", dumps(contract["schema"])] if contract.get("schema") else []
    return [f"{shlex.join(words)} -p {shlex.quote(contract['input_template'])}"]


TARGETS: dict[str, Callable[[str, str, str, Mapping[str, Any]], list[str]]] = {
    "api": _api,
    "huggingface": _huggingface,
    "local": _local,
    "ollama": _ollama,
}
