"""What leaves the house: the chosen file with all that is needed to run it and to believe it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from stages.base import Key, Params, Read, Stage, Write
from stages.base_model import of_variant
from stages.chat import Prompting
from stages.contract import Contract
from stages.engines.llama_cpp import LlamaCpp
from stages.modelfile import modelfile
from stages.rows import dumps, read_json, sha256, write_json


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


class Licensed(Params):
    """A data source that says what licence its rows are under."""

    path: str
    license: str


class About(Params):
    """What the user says of the task; stands in the model card."""

    task_name: Annotated[str, Key("task_name")]
    version: Annotated[str | None, Key("version")]
    task_type: Annotated[str, Key("task_type")]
    domain: Annotated[str | None, Key("domain")]
    language: Annotated[str | None, Key("language")]
    goal: Annotated[str | None, Key("goal")]
    non_goals: Annotated[str | None, Key("non_goals")]
    method: Annotated[str, Key("training.method")]
    adapter: Annotated[str, Key("training.adapter")]
    license: Annotated[str | None, Key("license.release", rare=True)] = None
    data_licenses: Annotated[tuple[Licensed, ...] | None, Key("license.data", rare=True)] = None


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
    contract: Annotated[Path, Write("contract.json")]
    manifest: Annotated[Path, Write("manifest.json")]


def run(inputs: Inputs, params: PackageParams, out: Outputs) -> None:
    """Write the folder that a release is made of. out.manifest: sha256 of every file in it and of what it came from."""
    shutil.copyfile(inputs.gguf, out.gguf)
    with closing(LlamaCpp(inputs.gguf)) as engine:
        template = engine.chat_template()
    text = modelfile(template, params.prompting.system(params.contract), params.max_new_tokens)
    out.modelfile.write_text(text, encoding="utf-8")
    write_json(out.contract, _contract(params))
    reports = {name: read_json(getattr(inputs, name)) for name in ("choice", "reason", "scores", "verdict", "splits")}
    reports["model"] = read_json(of_variant(reports["choice"]["variant"], inputs.models))
    out.card.write_text("\n".join(card(params, reports)) + "\n", encoding="utf-8")
    write_json(out.manifest, _manifest(params, reports, inputs, out))


def _contract(params: PackageParams) -> dict[str, Any]:
    """All that a caller must know: how the message is made, and what comes back."""
    return {
        "type": params.contract.type,
        "schema": params.contract.schema_,
        "system_prompt": params.prompting.system(params.contract),
        "input_template": params.prompting.input_template,
    }


def _manifest(params: PackageParams, reports: Mapping[str, Any], inputs: Inputs, out: Outputs) -> dict[str, Any]:
    files = {path.name: sha256(path) for path in (out.gguf, out.modelfile, out.card, out.contract)}
    return {
        "task": params.about.task_name,
        "version": params.about.version,
        "verdict": reports["verdict"]["verdict"],
        "chosen": reports["choice"]["chosen"],
        "files": files,
        "base_model": reports["model"],
        "data": {"rows": reports["splits"], "sha256": sha256(inputs.rows)},
    }


def card(params: PackageParams, reports: Mapping[str, Any]) -> Iterator[str]:
    """The model card's lines: metadata that the Hub reads, then what a person asks first."""
    about, model, choice = params.about, reports["model"]["model"], reports["choice"]
    yield from _front_matter(about, model)
    yield from (f"# {about.task_name}", "", about.goal or f"A model for one task: {about.task_type}.", "")
    if about.non_goals:
        yield from ("## Not for", "", about.non_goals, "")
    yield from ("## Model", "", f"- Base model: {_origin(model)}", *_chat(model.get("chat")))
    yield f"- Training: {about.method}, {about.adapter}"
    yield from (f"- File: `model.gguf`, {choice['candidate']}; {reports['reason']['reason']}", "")
    yield from ("## Data", "", _data(reports["splits"]), *_data_licences(about), "")
    yield from ("## Evaluation", "", *_table(reports["scores"], params.primary), "")
    yield from ("## Verdict", "", f"**{reports['verdict']['verdict']}**", "")
    yield from (f"- {gate['gate']}: {gate['status']}; {gate['reason']}" for gate in reports["verdict"]["gates"])
    yield from ("", "## Use", "", "```", f"ollama create {about.task_name} -f Modelfile", "```", "")
    yield f"The answer is {_form(params.contract)}; `contract.json` holds its schema and the form of the input."


def _front_matter(about: About, model: Mapping[str, Any]) -> Iterator[str]:
    yield "---"
    yield f"license: {dumps(about.license or model.get('license') or 'other')}"
    if about.language:
        yield f"language: {dumps(about.language.partition('-')[0].lower())}"  # the Hub knows no regions
    if model.get("repo"):
        yield f"base_model: {dumps(model['repo'])}"
    tags = ["tunec", *([about.domain] if about.domain else [])]
    yield from ("library_name: gguf", f"tags: {dumps(tags)}", "---", "")


def _origin(model: Mapping[str, Any]) -> str:
    place = {"package": model.get("file"), "hub": f"{model.get('repo')}@{model.get('revision')}"}
    licence = f", licence {model['license']}" if model.get("license") else ""
    return f"{model['name']} ({place.get(model['source']) or model.get('path')}{licence})"


def _chat(facts: Mapping[str, Any] | None) -> Iterator[str]:
    """What a caller who writes prompts by hand must know of the model's chat template."""
    if facts:
        system = "with a system message" if facts["system_role"] else "whose system message stands in the user's turn"
        yield f"- Chat template: {facts['family']}, {system}"


def _data(splits: Mapping[str, Any]) -> str:
    return f"{splits['train']} rows to train on, {splits['dev']} to choose by, {splits['test']} to decide by."


def _data_licences(about: About) -> Iterator[str]:
    if about.data_licenses:
        yield from ("", *(f"- `{source.path}`: licence {source.license}" for source in about.data_licenses))


def _table(scores: Mapping[str, Any], primary: str) -> Iterator[str]:
    """The test split's figures; every system on the same rows."""
    yield f"{scores['rows']} test rows."
    yield from ("", f"| system | {primary} | interval |", "|---|---:|---:|")
    for name, figures in scores["systems"].items():
        figure = figures[primary]
        mark = " (shipped)" if name == scores["chosen"] else ""
        yield f"| {name}{mark} | {figure['value']:.3f} | {figure['low']:.3f} to {figure['high']:.3f} |"


def _form(contract: Contract) -> str:
    return {"json": "a JSON value", "label": "one label", "text": "a text"}[contract.type]


STAGE = Stage(
    name="package",
    summary="The chosen file with its Modelfile, model card, contract and sha256s",
    run=run,
    inputs=Inputs,
    params=PackageParams,
    outputs=Outputs,
    libraries=("jinja2",),
)
