"""The papers of a task, each out of task.yaml and the build's reports, so that none is ever out of date: what the task
is, what the rows must be, what is measured and how, and what came of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from stages import findings, specs
from stages.base import At, File, Key, Made, Params, Read, Stage, Write
from stages.base_model import of_variant
from stages.card import About, card
from stages.chat import Prompting
from stages.contract import Contract
from stages.findings import Recipe
from stages.origins import MADE
from stages.rows import read_json, read_rows, sha256, write_json
from stages.specs import Wanted


@dataclass(frozen=True)
class Inputs:
    """The report of `data` is not among them: a duplicate row in a source writes nothing anew."""

    rows: Annotated[Path, Read("data.accepted")]
    splits: Annotated[Path, Read("splits.report")]
    models: Annotated[dict[str, Path], Read("model.facts")]
    choice: Annotated[Path, Read("select.choice")]
    reason: Annotated[Path, Read("select.reason")]
    scores: Annotated[Path, Read("score.scores")]
    clusters: Annotated[Path, Read("score.clusters")]
    speed: Annotated[Path, Read("test.speed")]
    verdict: Annotated[Path, Read("gate.verdict")]
    table: Annotated[Path, Read("report.table")]
    rows_prompt: Annotated[Path | None, File("generate.prompts.rows")] = None
    judge_prompt: Annotated[Path | None, File("generate.prompts.judge")] = None
    augmented: Annotated[Path | None, Read("augment.report")] = None
    mixed: Annotated[Path | None, Read("mix.report")] = None


class PapersParams(Params):
    about: About
    prompting: Prompting
    contract: Contract
    recipe: Recipe
    primary: Annotated[str, Key("success_criteria.primary_metric")]
    threshold: Annotated[float, Key("success_criteria.threshold")]
    metrics: Annotated[tuple[str, ...], Key("evaluation.metrics")]
    slices: Annotated[tuple[str, ...], Key("evaluation.slices")]
    confidence: Annotated[float, Key("evaluation.confidence")]
    deploy_target: Annotated[str, Key("versioning.deploy_target")]
    max_new_tokens: Annotated[int, Key("evaluation.max_new_tokens")]
    decoding: Annotated[str, Key("evaluation.decoding")]
    gates: Annotated[dict[str, str], Key("data.gates")]
    wanted: Annotated[tuple[Wanted, ...] | None, Key("generate.rows", rare=True)] = None
    teacher: Annotated[str | None, Key("generate.teacher.model", rare=True)] = None


@dataclass(frozen=True)
class Outputs:
    task: Annotated[Path, Write("task.md")]
    data_spec: Annotated[Path, Write("data_spec.md")]
    output_schema: Annotated[Path, Write("output_schema.json")]
    quality_gates: Annotated[Path, Write("quality_gates.md")]
    eval_plan: Annotated[Path, Write("eval_plan.md")]
    generation_prompt: Annotated[Path, Write("generation_prompt.md")]
    baseline_report: Annotated[Path, Write("baseline_report.md")]
    train_config: Annotated[Path, Write("train_config.yaml")]
    eval_report: Annotated[Path, Write("eval_report.md")]
    model_card: Annotated[Path, Write("model_card.md")]


def run(inputs: Inputs, params: PapersParams, out: Outputs) -> None:
    """Ten files for people. The same inputs give the same bytes: no time, path or machine is named in any."""
    names = ("choice", "reason", "scores", "verdict", "splits", "clusters", "speed")
    reports: dict[str, Any] = {name: read_json(getattr(inputs, name)) for name in names}
    reports |= {name: read_json(path) for name in MADE if (path := getattr(inputs, name))}
    variant = reports["choice"]["variant"]
    reports["model"] = read_json(of_variant(variant, inputs.models))
    reports["digest"] = sha256(inputs.rows)
    reports["bytes"] = reports["reason"]["bytes"].get(reports["choice"]["chosen"], 0)
    about, prompting, recipe = params.about.of(variant), params.prompting.of(variant), params.recipe.of(variant)
    table, contract = read_json(inputs.table), params.contract
    gates = reports["verdict"]["gates"]
    plan = specs.Plan(params.primary, params.threshold, params.metrics, params.slices, params.confidence)
    prompts = (inputs.rows_prompt, inputs.judge_prompt)
    pages: Mapping[Path, Iterable[str]] = {
        out.task: specs.task(about, prompting, contract, plan, gates, params.deploy_target),
        out.data_spec: specs.data_spec(about, read_rows(inputs.rows), reports["splits"], contract),
        out.quality_gates: specs.quality_gates(params.gates, gates),
        out.eval_plan: specs.eval_plan(plan, table, gates, _answers(params)),
        out.generation_prompt: specs.generation_prompt(prompts, params.wanted or (), params.teacher),
        out.baseline_report: findings.baseline_report(table, params.primary),
        out.train_config: findings.train_config(variant, reports["model"]["model"], recipe),
        out.eval_report: findings.eval_report(params.primary, reports, table),
        out.model_card: card(about, contract, params.primary, reports),
    }
    for path, lines in pages.items():
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_json(out.output_schema, specs.output_schema(contract), sort_keys=False)


def _answers(params: PapersParams) -> str:
    """How an answer is come to."""
    if params.decoding == "likelihood":
        return "An answer is the label that the model gives the highest probability; no text is written."
    return f"Answers are greedy (temperature 0) and have at most {params.max_new_tokens:,} tokens."


def _made(at: At, params: Mapping[str, Any]) -> Made:
    """Of the gates of rows it tells name, summary and action alone, and looks at no row with them."""
    return Made(
        "papers",
        never=tuple(
            f"stages.{name}" for name in ("corpus", "data_gates.semantic", "likeness", "personal", "seen", "sketches")
        ),
    )


STAGE = Stage(
    name="papers",
    summary="Writes the papers of the task: specification, plan, prompts, configuration and findings",
    run=run,
    inputs=Inputs,
    params=PapersParams,
    outputs=Outputs,
    made=_made,
)
