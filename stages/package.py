"""What leaves the house: the chosen file with all that is needed to run it and to believe it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from stages.base import Key, Params, Read, Stage, Write
from stages.base_model import of_variant
from stages.card import About, card, evaluation
from stages.chat import Prompting
from stages.contract import Contract
from stages.datacard import data_card
from stages.engines.llama_cpp import LlamaCpp
from stages.modelfile import modelfile
from stages.origins import MADE
from stages.rows import read_json, read_rows, sha256, write_json


@dataclass(frozen=True)
class Inputs:
    gguf: Annotated[Path, Read("select.gguf")]
    models: Annotated[dict[str, Path], Read("model.facts")]
    choice: Annotated[Path, Read("select.choice")]
    reason: Annotated[Path, Read("select.reason")]
    scores: Annotated[Path, Read("score.scores")]
    verdict: Annotated[Path, Read("gate.verdict")]
    rows: Annotated[Path, Read("data.accepted")]
    splits: Annotated[Path, Read("splits.report")]
    clusters: Annotated[Path, Read("score.clusters")]
    speed: Annotated[Path, Read("test.speed")]
    augmented: Annotated[Path | None, Read("augment.report")] = None
    mixed: Annotated[Path | None, Read("mix.report")] = None


class PackageParams(Params):
    about: About
    prompting: Prompting
    contract: Contract
    primary: Annotated[str, Key("success_criteria.primary_metric")]
    max_new_tokens: Annotated[int, Key("evaluation.max_new_tokens")]


@dataclass(frozen=True)
class Outputs:
    gguf: Annotated[Path, Write("model.gguf")]
    modelfile: Annotated[Path, Write("Modelfile")]
    card: Annotated[Path, Write("README.md")]
    data_card: Annotated[Path, Write("DATA_CARD.md")]
    evaluation: Annotated[Path, Write("EVALUATION.md")]
    contract: Annotated[Path, Write("contract.json")]
    manifest: Annotated[Path, Write("manifest.json")]


def run(inputs: Inputs, params: PackageParams, out: Outputs) -> None:
    """Write the folder that a release is made of. out.manifest: sha256 of every file in it and of what it came from."""
    params = _of(read_json(inputs.choice)["variant"], params)
    shutil.copyfile(inputs.gguf, out.gguf)
    with closing(LlamaCpp(inputs.gguf)) as engine:
        template = engine.chat_template()
    text = modelfile(template, params.prompting.system(params.contract), params.max_new_tokens)
    out.modelfile.write_text(text, encoding="utf-8")
    write_json(out.contract, _contract(params), sort_keys=False)  # a grammar writes fields in the schema's order
    names = ("choice", "reason", "scores", "verdict", "splits", "clusters", "speed")
    reports = {name: read_json(getattr(inputs, name)) for name in names} | {"bytes": inputs.gguf.stat().st_size}
    reports |= {name: read_json(path) for name in MADE if (path := getattr(inputs, name))}
    reports["model"] = read_json(of_variant(reports["choice"]["variant"], inputs.models))
    about, contract = params.about, params.contract
    rows, digest = read_rows(inputs.rows), sha256(inputs.rows)
    reports["digest"] = digest
    pages = {
        out.card: card(about, contract, params.primary, reports),
        out.evaluation: evaluation(params.primary, reports),
        out.data_card: data_card(about.task_name, rows, reports["splits"], digest, contract),
    }
    for path, lines in pages.items():
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_json(out.manifest, _manifest(params, reports, inputs, out))


def _of(variant: str, params: PackageParams) -> PackageParams:
    """The parameters of the chosen variant, where others of a sweep have others."""
    return params.model_copy(update={"about": params.about.of(variant), "prompting": params.prompting.of(variant)})


def _contract(params: PackageParams) -> dict[str, Any]:
    """All that a caller must know: how the message is made, and what comes back."""
    return {
        "type": params.contract.type,
        "schema": params.contract.schema_,
        "system_prompt": params.prompting.system(params.contract),
        "input_template": params.prompting.input_template,
    }


def _manifest(params: PackageParams, reports: Mapping[str, Any], inputs: Inputs, out: Outputs) -> dict[str, Any]:
    files = {
        path.name: sha256(path)
        for path in (out.gguf, out.modelfile, out.card, out.data_card, out.evaluation, out.contract)
    }
    return {
        "task": params.about.task_name,
        "version": params.about.version,
        "verdict": reports["verdict"]["verdict"],
        "chosen": reports["choice"]["chosen"],
        "files": files,
        "base_model": reports["model"],
        "data": {"rows": reports["splits"], "sha256": sha256(inputs.rows)},
    }


STAGE = Stage(
    name="package",
    summary="The chosen file with its Modelfile, model card, contract and sha256s",
    run=run,
    inputs=Inputs,
    params=PackageParams,
    outputs=Outputs,
    libraries=("jinja2",),
)
