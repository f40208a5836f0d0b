"""The model card: metadata for the Hub, then what a person asks first, each section out of the build's reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from stages.attack_figures import in_counts
from stages.base import Key, Params
from stages.contract import Contract
from stages.counting import counted
from stages.origins import synthetic
from stages.rows import dumps

FORMS = {"json": "a JSON value", "label": "one label", "text": "a text"}


class Licensed(Params):
    """A data source that says what licence its rows are under."""

    path: str
    license: str


class Reviewed(Params):
    """Who knows the field, and has looked at the task."""

    by: str
    on: str
    scope: str | None = None


class About(Params):
    """What the user says of the task; stands in the model card. Where variants differ: variant -> what it says."""

    task_name: Annotated[str, Key("task_name")]
    version: Annotated[str | None, Key("version")]
    task_type: Annotated[str, Key("task_type")]
    domain: Annotated[str | None, Key("domain")]
    language: Annotated[str | None, Key("language")]
    goal: Annotated[str | None, Key("goal")]
    non_goals: Annotated[str | None, Key("non_goals")]
    method: Annotated[str | dict[str, str], Key("training.method", varies=True)]
    adapter: Annotated[str | dict[str, str], Key("training.adapter", varies=True)]
    license: Annotated[str | None, Key("license.release", rare=True)] = None
    data_licenses: Annotated[tuple[Licensed, ...] | None, Key("license.data", rare=True)] = None
    expert_review: Annotated[Reviewed | None, Key("expert_review", rare=True)] = None

    def of(self, variant: str) -> About:
        """What is said of this variant, where others of a sweep have others."""
        given = (("method", self.method), ("adapter", self.adapter))
        return self.model_copy(update={name: value[variant] for name, value in given if isinstance(value, dict)})


def card(about: About, contract: Contract, primary: str, reports: Mapping[str, Any]) -> Iterator[str]:
    """The card's lines. reports: choice, reason, scores, verdict, splits, model, clusters, speed."""
    model = reports["model"]["model"]
    yield from _front_matter(about, model, primary, reports)
    yield from (f"# {about.task_name}", "", about.goal or f"A model for one task: {about.task_type}.", "")
    yield from _intended(about, contract)
    if about.non_goals:
        yield from ("## Not for", "", about.non_goals, "")
    yield from ("## Model", "", f"- Base model: {_origin(model)}", *_chat(model.get("chat")))
    yield f"- Training: {about.method}, {about.adapter}"
    yield from (f"- File: `model.gguf`, {reports['choice']['candidate']}; {reports['reason']['reason']}", "")
    yield from (
        "## Data",
        "",
        _data(reports["splits"]),
        synthetic(reports["splits"], reports.get("augmented"), reports.get("mixed")),
        f"Their version is sha256 `{reports['digest']}`.",
        *_data_licences(about),
        "",
        "`DATA_CARD.md` says more of them.",
        "",
    )
    yield from ("## Evaluation", "", *_table(reports["scores"], primary), "")
    yield from ("## Safety", "", *_safety(reports), *_reviewed(about.expert_review), "")
    yield from ("## Limitations", "", *_limits(reports), "")
    yield from ("## Deployment", "", *_deployment(reports), "")
    yield from ("## Verdict", "", f"**{reports['verdict']['verdict']}**", "")
    yield from (f"- {gate['gate']}: {gate['status']}; {gate['reason']}" for gate in reports["verdict"]["gates"])
    yield from ("", "## Use", "", "```", f"ollama create {about.task_name} -f Modelfile", "```", "")
    yield f"The answer is {FORMS[contract.type]}; `contract.json` holds its schema and the form of the input."
    if reports["scores"].get("by_likelihood"):
        yield "All figures are of the likeliest label, as `tunec serve` and `tunec ask` answer. What writes its answer,"
        yield "as Ollama does, may say another one."
    if contract.schema_ is not None and contract.type == "json":
        yield "With Ollama, send that schema as `format` of each request: a Modelfile has no place for it."


def evaluation(primary: str, reports: Mapping[str, Any]) -> Iterator[str]:
    """The whole evaluation: every metric of every system on the test rows, and the gates."""
    scores = reports["scores"]
    names = [primary, *sorted({m for figures in scores["systems"].values() for m in figures} - {primary})]
    yield from (
        "# Evaluation",
        "",
        f"{counted(scores['rows'], 'test row')}; each cell is a value and its interval.",
        "",
    )
    yield from (f"| system | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}")
    for name, figures in scores["systems"].items():
        cells = (_cell(figures.get(metric)) for metric in names)
        yield f"| {name}{' (chosen)' if name == scores['chosen'] else ''} | {' | '.join(cells)} |"
    yield from ("", "| gate | status | figure | bound | reason |", "|---|---|---:|---:|---|")
    for gate in reports["verdict"]["gates"]:
        figure = "–" if gate["figure"] is None else f"{gate['figure']:.3f}"
        yield f"| {gate['gate']} | {gate['status']} | {figure} | {gate['bound']:g} | {gate['reason']} |"


def _front_matter(about: About, model: Mapping[str, Any], primary: str, reports: Mapping[str, Any]) -> Iterator[str]:
    """JSON values are YAML, so nothing that a task says can leave its place."""
    yield "---"
    yield f"license: {dumps(about.license or model.get('license') or 'other')}"
    if about.language:  # the Hub lists languages by their first part, and says the whole tag beside it
        yield f"language: {dumps([about.language.partition('-')[0].lower()])}"
    if about.language and "-" in about.language:
        yield f"language_bcp47: {dumps([about.language])}"
    if model.get("repo"):
        yield f"base_model: {dumps(model['repo'])}"
    tags = ["tunec", about.task_type, *([about.domain] if about.domain else [])]
    yield from ("library_name: gguf", "pipeline_tag: text-generation", f"tags: {dumps(tags)}")
    scores = reports["scores"]
    figure = scores["systems"][scores["chosen"]][primary]["value"]
    metric = {"type": primary, "value": round(figure, 6), "name": primary}
    dataset = {"type": about.task_name, "name": f"{about.task_name} test rows"}
    result = {"task": {"type": "text-generation"}, "dataset": dataset, "metrics": [metric]}
    yield from (f"model-index: {dumps([{'name': about.task_name, 'results': [result]}])}", "---", "")


def _intended(about: About, contract: Contract) -> Iterator[str]:
    where = f" in {about.domain}" if about.domain else ""
    said = f", in {about.language}" if about.language else ""
    yield from (
        "## Intended use",
        "",
        f"{about.task_type.capitalize()}{where}{said}: {FORMS[contract.type]} comes out.",
        "",
    )


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
    trained = counted(splits["train"], "row")
    return f"{trained} to train on, {splits['dev']:,} to choose by, {splits['test']:,} to decide by."


def _data_licences(about: About) -> Iterator[str]:
    if about.data_licenses:
        yield from ("", *(f"- `{source.path}`: licence {source.license}" for source in about.data_licenses))


def _table(scores: Mapping[str, Any], primary: str) -> Iterator[str]:
    """The test split's figures; every system on the same rows."""
    yield f"{counted(scores['rows'], 'test row')}."
    yield from ("", f"| system | {primary} | interval |", "|---|---:|---:|")
    for name, figures in scores["systems"].items():
        figure = figures[primary]
        mark = " (chosen)" if name == scores["chosen"] else ""
        yield f"| {name}{mark} | {figure['value']:.3f} | {figure['low']:.3f} to {figure['high']:.3f} |"


def _cell(figure: Mapping[str, float] | None) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})" if figure else "–"


def _safety(reports: Mapping[str, Any]) -> Iterator[str]:
    scores = reports["scores"]
    refusals = sum(item["rows"] for item in reports["clusters"] if item["kind"] == "refusal")
    yield f"- Refusals: {refusals:,} of {counted(scores['rows'], 'test row')} got one in the place of their answer."
    beside = scores["beside"].get("adversarial")
    attacks = scores.get("attacks")
    if beside:
        asked = counted(beside["rows"], "adversarial row", "was", "were")
        yield f"- {asked} asked; {len(beside.get('wrong', ()))} got a wrong answer."
    if attacks and attacks["rows"]:
        made = counted(attacks["rows"], "hostile input", "was", "were")
        yield f"- {made} made of test rows: {withstood(attacks['figures'])}."
    elif not beside:
        yield "- No adversarial rows were brought, so nothing is known of hostile inputs."
    yield "- Personal data: the report of the build's data stage says what was found in the rows."


def withstood(figures: Mapping[str, Mapping[str, float]]) -> str:
    """The figures of hostile inputs in words."""
    return ", ".join(in_counts(figures).values())


def _reviewed(review: Reviewed | None) -> Iterator[str]:
    if review:
        scope = f": {' '.join(review.scope.split())}" if review.scope else ""
        yield f"- Reviewed by an expert: {' '.join(review.by.split())}, {review.on}{scope}"


def _limits(reports: Mapping[str, Any]) -> Iterator[str]:
    """What the model gets wrong most, by kind: no word of a test row, which what is trained next could be made of."""
    rows: Counter[str] = Counter()
    for item in reports["clusters"]:
        rows[", ".join(filter(None, [item["kind"], item["what"]]))] += item["rows"]
    if not rows:
        yield "- Every test row was answered right whole; rows unlike them were not asked."
    for what, many in rows.most_common(5):
        yield f"- {many:,} of {counted(reports['scores']['rows'], 'test row')}: {what}"


def _deployment(reports: Mapping[str, Any]) -> Iterator[str]:
    speed = reports["speed"]["chosen"]
    yield f"- Runtime: llama.cpp or Ollama; {reports['choice']['candidate']}, {reports['bytes'] / 1e6:.0f} MB"
    yield "- Speed depends on the machine; the report of the build has what was measured on its own."
    if "latency_p50" in speed:
        yield "- Latency and memory were measured as served, one row at a time: see `report.json` of the build."
    else:
        yield "- How long one answer takes was not measured (`evaluation.latency`)."
