"""The papers that say what is wanted: the task, its rows, its gates, how it is measured, and how rows are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.base import Params
from stages.card import FORMS, About
from stages.catalog import DataGate, members
from stages.chat import Prompting
from stages.contract import Contract
from stages.counting import counted
from stages.kinds import ROWS, SCORES
from stages.rows import Row

MOST = 40  # labels, fields or tags that are listed
_SPLITS = ("train", "dev", "test", "golden", "adversarial", "holdout")
_SHIPPED = ("augment_rows.jinja", "augment_judge.jinja")


class Wanted(Params):
    """Rows of one kind that a teacher is asked for, as task.yaml has them."""

    tag: str
    count: int
    difficulty: str
    edge_case: str | None = None


@dataclass(frozen=True)
class Plan:
    """What is measured: the primary metric with its threshold, the other metrics, the slices; how surely."""

    primary: str
    threshold: float
    metrics: Sequence[str]
    slices: Sequence[str]
    confidence: float


def task(
    about: About,
    prompting: Prompting,
    contract: Contract,
    plan: Plan,
    gates: Sequence[Mapping[str, Any]],
    deploy_target: str,
) -> Iterator[str]:
    """gates: of a release. What nobody said of the task is said to be open."""
    yield from (f"# {about.task_name}", "", about.goal or f"One job: {about.task_type}.", "")
    yield from ("| | |", "|---|---|")
    for name, value in (
        ("version", about.version),
        ("task type", about.task_type),
        ("domain", about.domain),
        ("language", about.language),
        ("comes out", FORMS[contract.type]),
        ("is good from", f"{plan.primary} {plan.threshold:g} on the test rows"),
        ("goes to", deploy_target),
    ):
        if value:
            yield f"| {name} | {cell(str(value))} |"
    yield from ("", "## Not for", "", about.non_goals or "Nothing is ruled out yet.", "")
    yield from ("## What goes in", "", *fenced(prompting.input_template), "")
    if prompting.system_prompt:
        yield from ("## What the model is told", "", *fenced(prompting.system_prompt), "")
    yield from (
        "## What comes out",
        "",
        *fenced(contract.describe()),
        "",
        "`output_schema.json` holds it as a schema.",
        "",
    )
    yield from ("## Which mistakes are not accepted", "", "A release that fails one of these is refused:", "")
    yield from (f"- {one['gate']}: {one['bound']:g}" for one in gates)
    yield from (
        "",
        "## How it is measured",
        "",
        f"By {', '.join(dict.fromkeys([plan.primary, *plan.metrics]))}; see `eval_plan.md`.",
        "",
    )
    yield from ("## How fast, and how dear", "", *_bounds(gates))


def _bounds(gates: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    bounds = {one["gate"]: one["bound"] for one in gates}
    for name, told in (
        ("latency_p95", "- 95 of 100 answers come within {:g} s."),
        ("cost_per_1000", "- 1,000 requests cost at most {:g}."),
    ):
        yield told.format(bounds[name]) if name in bounds else f"- No bound is set: `success_criteria.gates.{name}`."


def data_spec(about: About, rows: Iterable[Row], splits: Mapping[str, Any], contract: Contract) -> Iterator[str]:
    """Fields, answers and kinds of the rows, counted."""
    fields: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    tags: Counter[str] = Counter()
    made = total = 0
    for row in rows:
        total += 1
        made += row.parent is not None
        fields.update(list(row.input))
        tags.update(row.tags)
        answers.update(_answers(row, contract))
    yield from (f"# Rows of {about.task_name}", "", f"{counted(total, 'row', 'is', 'are')} accepted.", "")
    yield from ("## A row", "", *_counted("input field", fields), *_counted(_what(contract), answers))
    yield from (f"The answer is {FORMS[contract.type]}, and fits `output_schema.json`.", "")
    yield from ("## Splits", "", "| split | rows |", "|---|---:|")
    yield from (f"| {name} | {splits.get(name, 0):,} |" for name in _SPLITS)
    yield from ("", "No train row says what a row of another split says; the report of the splits lists what did.", "")
    yield from ("## Kinds of rows", "", "Happy cases alone are not enough. By the rows' tags there are:", "")
    yield from ("| kind | what it is | rows |", "|---|---|---:|")
    yield from (f"| {kind} | {cell(about_it)} | {tags.get(kind, 0):,} |" for kind, about_it in ROWS.items())
    others = {tag: many for tag, many in tags.items() if tag not in ROWS}
    yield from ("", *_counted("other tag", Counter(others)))


def output_schema(contract: Contract) -> Any:
    """The contract as JSON Schema; of a text, that it is one."""
    return contract.schema_ if contract.schema_ is not None else {"type": "string"}


def quality_gates(chosen: Mapping[str, str], release: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The gates of rows, then those of a release with what they said."""
    yield from ("# Gates", "", "## A row", "", "What a row must get past before it is trained on.", "")
    yield from ("| gate | what it asks | what happens |", "|---|---|---|")
    for name, gate in members("stages.data_gates", "DATA_GATE", DataGate).items():
        own = " (this task's choice)" if name in chosen else ""
        yield f"| {name} | {cell(gate.summary)} | {chosen.get(name, gate.action)}{own} |"
    yield from ("", "`build/data/report.md` says how many rows each of them turned away.", "")
    yield from ("## A row of a teacher", "", "A judge gives each of these 1 to 5:", "")
    yield from (f"- {name}: {scale}" for name, scale in SCORES.items())
    yield from ("", "## A release", "", "| gate | bound | status | why |", "|---|---:|---|---|")
    for one in release:
        yield f"| {one['gate']} | {one['bound']:g} | {one['status']} | {cell(one['reason'])} |"


def eval_plan(plan: Plan, table: Mapping[str, Any], gates: Sequence[Mapping[str, Any]], answers: str) -> Iterator[str]:
    """answers: how they are come to."""
    rows = table["rows"]
    yield from ("# How it is measured", "")
    yield f"- Decides: {plan.primary}, at least {plan.threshold:g} on {counted(rows['test'], 'test row')}."
    yield f"- Also told: {', '.join(plan.metrics) or 'nothing'}."
    yield f"- Slices: {', '.join(plan.slices) or 'none'}."
    yield f"- Intervals and gates at {plan.confidence:.0%} confidence."
    yield f"- Chosen on {counted(rows['dev'], 'dev row')}; the test rows have no part in any choice."
    yield f"- {answers}"
    yield "- Asked on test: the trained weights, by transformers; their f16 file and the shipped one, by llama.cpp."
    beside = table["beside"]
    yield from (f"- Beside: {counted(many, f'{name} row')}." for name, many in sorted(beside.items()) if many)
    if not any(beside.values()):
        yield "- There are no golden and no adversarial rows yet: bring some."
    if (attacks := table.get("attacks")) and attacks["rows"]:
        made, kinds = counted(attacks["rows"], "input"), counted(len(attacks["attacks"]), "kind")
        yield f"- Hostile: {made} made of test rows, of {kinds} of attack."
    names = [system["name"] for system in table["systems"] if system["kind"] == "baseline"]
    yield f"- Held against: {', '.join(sorted(names)) or 'nothing'}."
    yield from ("", "## What a release must pass", "")
    yield from (f"- {gate['gate']}: {gate['bound']:g}" for gate in gates)


def generation_prompt(prompts: Sequence[Path | None], wanted: Sequence[Wanted], teacher: str | None) -> Iterator[str]:
    """The two templates that a teacher and a judge are asked with, and what rows are wanted."""
    yield from ("# How rows are asked for", "")
    if teacher is None:
        yield from (
            "No teacher is configured: with the section `generate` of task.yaml, this is what it would be asked.",
            "",
        )
    else:
        yield from (f"The teacher is {cell(teacher)}; it is shown train rows alone.", "")
        yield from ("| kind | rows | difficulty | about |", "|---|---:|---|---|")
        yield from (f"| {one.tag} | {one.count:,} | {one.difficulty} | {cell(one.edge_case or '')} |" for one in wanted)
        yield ""
    for title, own, shipped in zip(("A row", "Its scores"), prompts, _SHIPPED, strict=True):
        text = (own or Path(__file__).with_name(shipped)).read_text(encoding="utf-8")
        yield from (f"## {title}", "", f"{'The task' if own else 'tunec'}'s own template:", "", *fenced(text), "")


# ---------------------------------------------------------------- Markdown


def cell(text: str) -> str:
    """No text makes a table, a tag or a link of its own."""
    flat = " ".join(text.split())
    return flat.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("[", "\\[")


def fenced(text: str) -> list[str]:
    """A text as it stands, behind a fence that is longer than any in it."""
    runs = [len(line) - len(line.lstrip("`")) for line in map(str.strip, text.split("\n"))]
    fence = "`" * max(3, 1 + max(runs))
    return [f"{fence}text", text.rstrip("\n"), fence]


def _answers(row: Row, contract: Contract) -> list[str]:
    if row.output is None:
        return []
    if label := contract.label(row.output):
        return [label]
    return list(row.output) if isinstance(row.output, dict) else []


def _what(contract: Contract) -> str:
    return "label" if contract.labels or contract.label_field else "answer field"


def _counted(head: str, counts: Counter[str]) -> Iterator[str]:
    if not counts:
        return
    yield from (f"| {head} | rows |", "|---|---:|")
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    yield from (f"| {cell(name)} | {many:,} |" for name, many in most[:MOST])
    if len(most) > MOST:
        yield f"| {len(most) - MOST:,} more | |"
    yield ""
