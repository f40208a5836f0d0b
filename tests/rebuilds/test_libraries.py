"""A stage's fingerprint names every library that it computes with: held against what its code imports."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from compiler.plan import Instance
from tests.compiling import MINIMAL, ROOT, compiled
from tunec.fingerprint import fingerprint

# What a distribution is called that is imported under another name.
CALLED = {
    "llama_cpp": "llama-cpp-python",
    "yaml": "pyyaml",
    "rouge_score": "rouge-score",
    "google": "protobuf",
    "convert_hf_to_gguf": "convert-hf-to-gguf",
    "charset_normalizer": "charset-normalizer",
    "sklearn": "scikit-learn",
    "stdnum": "python-stdnum",
    "liger_kernel": "liger-kernel",
}
# Imported somewhere in the code that a stage reaches, and yet no part of what comes out of it.
BESIDE = {
    "pydantic": "holds parameters; a value that it let through is in params.yaml",
    "pyyaml": "reads dvc.yaml and params.yaml, whose values DVC compares",
    "psutil": "counts idle cores and looks after the processes above",
    "huggingface_hub": "fetches files that the manifest names by sha256; `model` alone calls it",
    "markupsafe": "jinja2's own, and bound to its version",
    "numpy": "holds the arrays of torch, llama.cpp and matplotlib; scores are computed with it, and say so",
    "referencing": "jsonschema's own",
}
# Reached by imports, in code that these kinds do not run, or that says the same with any version.
UNUSED = {
    "jinja2": (
        "of a template, the names of its fields at most",
        "data export model papers select score baseline-majority",
    ),
    "llama-cpp-python": (
        "writes grammars, and no answer is held to one here",
        "data train-sft-lora model export package papers report select score predict-tuned baseline-majority "
        "baseline-rule",
    ),
    "jsonschema": (
        "decides which branch of anyOf a value takes, as the standard says",
        "train-sft-lora test model export package papers report predict-tuned predict-gguf attack quantize "
        "baseline-base baseline-prompted baseline-majority baseline-rule",
    ),
    "gguf": (
        "`model` alone unpacks a GGUF with it",
        "train-sft-lora test export predict-tuned baseline-base baseline-prompted",
    ),
    "torch": ("looks at a model in memory, or sets its threads", "quantize package predict-gguf attack"),
    "transformers": ("looks at a model in memory", "package predict-gguf attack quantize"),
    "scipy": ("widens intervals, which is asked of `select` and `score` alone", "gate report baseline-rule"),
    "charset-normalizer": ("names the encoding of a file that is refused", "data"),
    "openpyxl": ("gives cells as they stand in the file", "data"),
    "safetensors": ("reads an adapter, and none is read here", "predict-gguf attack baseline-majority baseline-rule"),
    "scikit-learn": ("computes in gates of data, which are only asked for their names here", "papers"),
    "model2vec": ("embeds for gates of data, which are only asked for their names here", "papers"),
    "threadpoolctl": ("holds threads of gates of data, which are only asked for their names here", "papers"),
    "liger-kernel": ("computes where `training.liger` says so, and is named then", "train-sft-lora"),
    "mlflow": ("is told of steps, and tells nothing", "train-sft-lora"),
    "wandb": ("is told of steps, and tells nothing", "train-sft-lora"),
}


@cache
def kinds() -> dict[str, Instance]:
    task = MINIMAL + "baselines: {base: true, prompted: true, majority: true, rule: {time: x}}\n"
    return {instance.made.kind.removesuffix("-smollm2-135m"): instance for instance in compiled(task).plan.instances}


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_what_a_stage_s_code_imports_is_in_its_fingerprint(kind: str) -> None:
    instance = kinds()[kind]
    named = {line.split(" ")[0] for line in fingerprint(instance.stage, instance.made).splitlines()}
    reached = {library for module in named if module.endswith(".py") for library in imported(ROOT / module)}
    unused = {library for library, (_, of) in UNUSED.items() if kind in of.split()}
    assert reached - named - BESIDE.keys() == unused


def test_every_exception_is_of_a_kind_that_there_is() -> None:
    assert {kind for _, of in UNUSED.values() for kind in of.split()} <= kinds().keys()


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in {name.split(".")[0] for name in names} - {"stages", "__future__", *sys.stdlib_module_names}:
            yield CALLED.get(name, name)
