"""The test answers scored, and every row that a step from tuned to shipped changed between right and wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from stages import own
from stages.base import File, Key, Params, Read, Stage, Write
from stages.clusters import clusters
from stages.contract import Contract
from stages.details import details
from stages.diagnostics import Diagnostic
from stages.hostile import Hostile
from stages.judging import Judged
from stages.metrics._words import spaceless
from stages.metrics.runaway_rate import ran_away
from stages.progress import warn
from stages.remembering import recall
from stages.rows import Row, dumps, read_json, read_jsonl, read_rows, sha256, write_json, write_jsonl
from stages.scoring import Yardstick, chance, duel, figures, judged, lead
from stages.scripts import script
from stages.shapes import APART
from stages.statistics import detectable
from stages.withstanding import withstood

SLICE_VALUES = 50  # that a slice reports at most
LENGTHS = ((80, "to 80 characters"), (320, "to 320 characters"), (10**9, "longer"))


@dataclass(frozen=True)
class Inputs:
    rows: Annotated[Path, Read("splits.test")]
    choice: Annotated[Path, Read("select.choice")]
    tuned: Annotated[Path, Read("test.tuned")]
    f16: Annotated[Path, Read("test.f16")]
    chosen: Annotated[Path, Read("test.chosen")]
    together: Annotated[Path, Read("test.together")]
    baselines: Annotated[dict[str, Path], Read("baseline.predictions")]
    golden_rows: Annotated[Path, Read("splits.golden")]
    golden: Annotated[Path, Read("test.golden")]
    adversarial_rows: Annotated[Path, Read("splits.adversarial")]
    adversarial: Annotated[Path, Read("test.adversarial")]
    code: Annotated[tuple[Path, ...] | None, File("brought.metrics")] = None
    remembered: Annotated[Path | None, File("evaluation.remembered")] = None
    preferences: Annotated[Path | None, Read("prefer.preferences")] = None
    preferred: Annotated[Path | None, Read("prefer.report")] = None
    hostile: Annotated[Path | None, Read("attack.inputs")] = None
    attacked: Annotated[Path | None, Read("attack.answers")] = None


class ScoreParams(Params):
    slices: Annotated[tuple[str, ...], Key("evaluation.slices")]
    yardstick: Yardstick
    contract: Contract


@dataclass(frozen=True)
class Outputs:
    scores: Annotated[Path, Write("scores.json", "metrics")]
    flips: Annotated[Path, Write("flips.jsonl")]
    details: Annotated[Path, Write("details.json")]
    clusters: Annotated[Path, Write("clusters.json")]


def run(inputs: Inputs, params: ScoreParams, out: Outputs) -> None:
    """out.scores: {rows, chosen, systems: {name: {metric: figure}}, ahead: {name: figure}, lower, beside, slices}.

    `ahead` is how far the chosen file leads each other system in the primary metric, pair by pair, with the least lead
    that so many rows would show, p by a permutation test, and McNemar's test of the rows that are right whole.
    `lower`: the metrics that are better when lower. `by_likelihood`: whether answers were scored rather than written.
    `ends`: of the chosen file and its parents, answers that do not end of themselves or cannot be read. `beside`: the
    chosen file on the golden and adversarial rows. `slices`: on each part of the test rows, {slice: {value: {rows,
    figure}}}. `remembered`: of the rows that an earlier release got right, see stages.remembering. `preference`: what a
    judge said of the chosen file's answers, where one was asked, see stages.prefer. `attacks`: what became of hostile
    inputs, see stages.withstanding.
    out.flips: JSONL of {id, step, now, input, expected, before, after}. out.details: what stands behind the chosen
    file's figures. out.clusters: its wrong answers, by kind and by what they are about.
    """
    rows = list(read_rows(inputs.rows))
    chosen = read_json(inputs.choice)["candidate"]
    chain = {"tuned": inputs.tuned, "f16": inputs.f16, chosen: inputs.chosen}
    terms = params.yardstick.terms
    systems = judged(rows, {**inputs.baselines, **chain}, params.contract, terms)
    systems[chosen] = _preferred(systems[chosen], inputs)
    scores = {name: figures(of, params.yardstick, params.contract) for name, of in systems.items()}
    _say_what_is_silent(params.yardstick, scores[chosen])
    others = [name for name in systems if name != chosen]
    ahead = {name: _ahead(systems[chosen], systems[name], params) for name in others}
    report: dict[str, Any] = {"rows": len(rows), "chosen": chosen, "systems": scores, "ahead": ahead}
    report["lower"] = sorted(metric.name for metric in params.yardstick.metrics(params.contract) if metric.lower)
    report["by_likelihood"] = all(answer.confidence is not None for answer in systems[chosen])
    report["versions"] = {"test": sha256(inputs.rows)}
    report["ends"] = {name: _ends(systems[name]) for name in chain}
    beside = {name: found for name in APART if (found := _beside(inputs, name, params))}
    report |= _remembered(inputs, systems[chosen], params)
    report |= {"preference": read_json(inputs.preferred)} if inputs.preferred else {}
    report |= _attacks(inputs, systems[chosen], params)
    write_json(out.scores, report | {"beside": beside, "slices": _slices(rows, systems[chosen], params)})
    steps = [{name: systems[name] for name in chain}]
    if inputs.together.stat().st_size:  # the chosen file was also asked for several rows at once
        many = judged(rows, {"together": inputs.together}, params.contract, terms)
        steps.append({f"{chosen} several at once": many["together"], f"{chosen} as served": systems[chosen]})
    write_jsonl(out.flips, (flip for step in steps for flip in flips(rows, step)))
    write_json(out.details, details(systems[chosen], _labels(params.contract)))
    write_json(out.clusters, clusters(systems[chosen], {name: systems[name] for name in others}))


def _say_what_is_silent(yardstick: Yardstick, found: Mapping[str, Any]) -> None:
    """A metric of the task's own that counts no row stands in no table, and would be missed nowhere."""
    for name in yardstick.others:
        if own.split(name) and name not in found:
            message, help = f"the metric `{name}` gave None for every row", "give a number for the rows that count"
            warn(Diagnostic("T718", message, None, ("no table tells of it",), help, "warning"))


def _ahead(a: Sequence[Judged], b: Sequence[Judged], params: ScoreParams) -> dict[str, Any]:
    found = lead(a, b, params.yardstick, params.contract)
    least = detectable(found["low"], found["high"], params.yardstick.confidence)
    p = chance(a, b, params.yardstick, params.contract)
    return {**found, "detectable": least, "p": p, "duel": duel(a, b)}


def _ends(answers: Sequence[Judged]) -> dict[str, int]:
    """Answers that an export could have spoilt: those that do not end of themselves, and those that cannot be read."""
    return {"ran_away": sum(map(int, map(ran_away, answers))), "unread": sum(not answer.read for answer in answers)}


def _preferred(answers: list[Judged], inputs: Inputs) -> list[Judged]:
    """The same, with what a judge says of them where one was asked."""
    if inputs.preferences is None:
        return answers
    said = {line["id"]: line["preferred"] for line in read_jsonl(inputs.preferences)}
    return [replace(answer, preferred=said.get(answer.id)) for answer in answers]


def _labels(contract: Contract) -> Sequence[str]:
    """Those that answers are judged by; none where they hold no label."""
    if contract.label_field is None:
        return contract.labels
    return tuple((contract.schema_ or {})["properties"][contract.label_field]["enum"])


def _beside(inputs: Inputs, name: str, params: ScoreParams) -> dict[str, Any] | None:
    """The chosen file's figures on rows that stand apart from the test split; None where there are none."""
    answers = _answers_apart(inputs, name, params)
    if not answers:
        return None
    wrong = [answer.id for answer in answers if not answer.right]
    return {"rows": len(answers), "figures": figures(answers, params.yardstick, params.contract), "wrong": wrong}


def _answers_apart(inputs: Inputs, name: str, params: ScoreParams) -> Sequence[Judged]:
    rows = list(read_rows(getattr(inputs, f"{name}_rows")))
    return judged(rows, {name: getattr(inputs, name)}, params.contract, params.yardstick.terms)[name] if rows else ()


def _remembered(inputs: Inputs, answers: Sequence[Judged], params: ScoreParams) -> dict[str, Any]:
    """What became of the rows that a release must get right again, wherever they stand but in train and dev."""
    if inputs.remembered is None:
        return {}
    apart = [answer for name in APART for answer in _answers_apart(inputs, name, params)]
    return {"remembered": recall(read_jsonl(inputs.remembered), [*answers, *apart])}


def _attacks(inputs: Inputs, answers: Sequence[Judged], params: ScoreParams) -> dict[str, Any]:
    """What the chosen file made of hostile inputs, beside its `answers` to the rows that they were made of."""
    if inputs.hostile is None or inputs.attacked is None:
        return {}
    before = {answer.id: answer for answer in answers}
    asked = [Hostile(**one) for one in read_jsonl(inputs.hostile)]
    rows = [Row(one.id, one.input, before[one.of].gold) for one in asked]
    said = judged(rows, {"attacked": inputs.attacked}, params.contract, params.yardstick.terms)["attacked"]
    return {"attacks": withstood(asked, before, said, params.yardstick.confidence)}


def _slices(rows: Sequence[Row], answers: Sequence[Judged], params: ScoreParams) -> dict[str, Any]:
    """The primary metric for each value of each slice; of a slice with many values, those that most rows have."""
    found: dict[str, Any] = {}
    for name in params.slices:
        parts: dict[str, list[Judged]] = defaultdict(list)
        for row, answer in zip(rows, answers, strict=True):
            for value in _values(row, name):
                parts[value].append(answer)
        most = sorted(parts, key=lambda value: (-len(parts[value]), value))[:SLICE_VALUES]
        found[name] = {value: _figure(parts[value], params) for value in most}
    return found


def _values(row: Row, name: str) -> tuple[str, ...]:
    """What a row counts for in a slice: its tags, its length, script or language, or the value of a column."""
    if name == "tags":
        return row.tags
    if name in row.input or name not in ("length", "script", "language"):
        return (str(row.input.get(name)),)
    text = " ".join(value if isinstance(value, str) else dumps(value) for value in row.input.values())
    if name == "language":
        return (script(text),)
    if name == "length":
        return (next(label for most, label in LENGTHS if len(text) <= most),)
    return ("without blanks" if spaceless(text) else "with blanks",)


def _figure(answers: Sequence[Judged], params: ScoreParams) -> dict[str, Any]:
    return {
        "rows": len(answers),
        **figures(answers, params.yardstick, params.contract)[params.yardstick.primary],
    }


def flips(rows: Sequence[Row], chain: Mapping[str, Sequence[Judged]]) -> Iterator[dict[str, Any]]:
    """Rows that are right on one side of a step and wrong on the other, step by step."""
    for (before, left), (after, right) in pairwise(chain.items()):
        for row, a, b in zip(rows, left, right, strict=True):
            if a.right != b.right:
                yield {
                    "id": row.id,
                    "step": f"{before} -> {after}",
                    "now": "right" if b.right else "wrong",
                    "input": row.input,
                    "expected": row.output,
                    "before": a.text,
                    "after": b.text,
                }


STAGE = Stage(
    name="score",
    summary="Scores the test answers; lists the rows that a step from tuned to shipped changed",
    run=run,
    inputs=Inputs,
    params=ScoreParams,
    outputs=Outputs,
    libraries=("numpy", "jsonschema", "rouge-score", "sacrebleu", "scikit-learn", "scipy"),
)
