"""A judge model says of test rows which of two answers is better: the chosen file's, or the one beside it.

Each row is asked of twice, with the places swapped: a judge that then names another answer has looked at the place, and
the row is a tie. What was asked before is not asked again. Source: Zheng et al. 2023, MT-bench's position swap.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from stages.answers import read_answers
from stages.base import Key, Params, Read, Stage, Write
from stages.contract import Contract
from stages.counting import counted
from stages.diagnostics import Diagnostic, UserError, fail
from stages.engines.endpoint import Endpoint
from stages.journal import Journal
from stages.progress import tell, warn
from stages.prompts import Template
from stages.rows import Row, read_rows, write_json, write_jsonl
from stages.rubric import said_object
from stages.teacher import WAVE, Pace, Question, Said, Teacher, response_format

TRANSCRIPT = Path("build", "transcripts", "prefer.jsonl")  # of all builds; DVC knows nothing of it
REFERENCE = "reference"  # the row's own answer
VERDICT = {
    "type": "object",
    "properties": {"better": {"enum": ["A", "B", "neither"]}},
    "required": ["better"],
    "additionalProperties": False,
}
POINTS = {"A": 1.0, "B": 0.0, "neither": 0.5}


@dataclass(frozen=True)
class Inputs:
    rows: Annotated[Path, Read("splits.test")]
    chosen: Annotated[Path, Read("test.chosen")]
    baselines: Annotated[dict[str, Path], Read("baseline.predictions")]


class PreferParams(Params):
    """against: REFERENCE or a baseline. rows: at most. criteria: what makes an answer better."""

    endpoint: Annotated[str, Key("evaluation.judge.endpoint")]
    model: Annotated[str, Key("evaluation.judge.model")]
    key_env: Annotated[str | None, Key("evaluation.judge.key_env")]
    against: Annotated[str, Key("evaluation.judge.against")]
    rows: Annotated[int, Key("evaluation.judge.rows")]
    criteria: Annotated[str | None, Key("evaluation.judge.criteria")]
    max_tokens: Annotated[int, Key("evaluation.judge.max_tokens")]
    timeout: Annotated[float, Key("evaluation.judge.timeout")]
    requests_per_minute: Annotated[float | None, Key("evaluation.judge.requests_per_minute")]
    structured: Annotated[str, Key("evaluation.judge.structured")] = "off"
    goal: Annotated[str | None, Key("goal")]
    system_prompt: Annotated[str | None, Key("system_prompt")]
    contract: Contract


@dataclass(frozen=True)
class Outputs:
    preferences: Annotated[Path, Write("preferences.jsonl")]
    transcript: Annotated[Path, Write("transcript.jsonl")]
    report: Annotated[Path, Write("report.json", "metrics")]


@dataclass(frozen=True)
class Pair:
    """Two answers to a row."""

    row: Row
    ours: str
    theirs: str

    @property
    def alike(self) -> bool:
        return self.ours.split() == self.theirs.split()


@dataclass(frozen=True)
class Preference:
    """preferred: 1 for the chosen file's answer, 0 for the other, 0.5 for a tie. swayed: by the answers' places."""

    id: str
    preferred: float
    swayed: bool = False


def run(inputs: Inputs, params: PreferParams, out: Outputs) -> None:
    """Ask a judge about `params.rows` of the test rows, the same ones every time; answers that are alike are a tie.

    out.preferences: JSONL of {id, preferred, swayed}, a line a row that has a verdict. out.transcript: JSONL of {key,
    for, row, body, text, ...}, a line a request. out.report: {against, model, rows, won, tied, lost, alike, swayed,
    unread}. Raises T824 when no verdict can be read, and T720 to T722 when the judge cannot be asked.
    """
    name, pairs = _pairs(inputs, params)
    endpoint = Endpoint(params.endpoint, params.model, params.key_env, params.timeout, where="evaluation.judge")
    with closing(Teacher(endpoint, Journal(TRANSCRIPT), Pace(params.requests_per_minute))) as judge:
        found = list(_asked(judge, pairs, params))
        write_jsonl(out.transcript, sorted(judge.used.values(), key=lambda line: str(line["key"])))
    given = [one for one in found if one is not None]
    if pairs and not given:
        raise _unread(params, len(pairs))
    write_jsonl(out.preferences, (vars(one) for one in given))
    told = {"against": name, "model": params.model, **_report(pairs, found)}
    write_json(out.report, told)
    if told["unread"]:
        _warn(told)


def _pairs(inputs: Inputs, params: PreferParams) -> tuple[str, list[Pair]]:
    """What the chosen file is held against, and the rows that are asked of, by a hash of their ids: in their order."""
    rows = [row for row in read_rows(inputs.rows) if row.answered]
    ours = {answer.id: answer.text for answer in read_answers(inputs.chosen, params.contract.digest)}
    name = _rival(params.against, inputs.baselines)
    theirs = (
        {row.id: params.contract.spell(row.output) for row in rows}
        if name == REFERENCE
        else {answer.id: answer.text for answer in read_answers(inputs.baselines[name], params.contract.digest)}
    )
    order = sorted(rows, key=lambda row: hashlib.sha256(row.id.encode()).digest())
    asked = {row.id for row in order[: params.rows]}
    return name, [Pair(row, ours[row.id], theirs[row.id]) for row in rows if row.id in asked]


def _rival(named: str, baselines: Mapping[str, Path]) -> str:
    """The instance of a baseline: it is named after the baseline, and its model where it has one."""
    return named if named == REFERENCE else min(one for one in baselines if f"{one}-".startswith(f"{named}-"))


def _asked(judge: Teacher, pairs: Sequence[Pair], params: PreferParams) -> Iterator[Preference | None]:
    """What the judge says of each pair; None where a verdict cannot be read."""
    template = Template.read(None, "prefer_pairs.jinja")
    waiting = iter(pairs)
    count = 0
    while wave := list(islice(waiting, WAVE // 2)):
        differing = [pair for pair in wave if not pair.alike]
        questions = [one for pair in differing for one in _questions(template, pair, params)]
        said = iter(judge.ask(questions))
        for pair in wave:
            yield Preference(pair.row.id, 0.5) if pair.alike else settled(pair.row.id, next(said), next(said))
        count += len(wave)
        tell(count, len(pairs), "rows judged")


def _questions(template: Template, pair: Pair, params: PreferParams) -> Iterator[Question]:
    about = {"goal": params.goal, "system_prompt": params.system_prompt, "criteria": params.criteria}
    for a, b in ((pair.ours, pair.theirs), (pair.theirs, pair.ours)):
        text = template.fill({**about, "input": dict(pair.row.input), "a": a, "b": b})
        body = {"messages": [{"role": "user", "content": text}], "model": params.model, "temperature": 0}
        body |= {"max_tokens": params.max_tokens, **response_format(params.structured, "verdict", VERDICT)}
        yield Question("prefer", pair.row.id, params.endpoint, body)


def settled(id: str, first: Said, second: Said) -> Preference | None:
    """Both verdicts as one: `first` had the chosen file's answer as A, `second` had it as B."""
    one, other = verdict(first.text), verdict(second.text)
    if one is None or other is None:
        return None
    swapped = 1.0 - other
    return Preference(id, one) if one == swapped else Preference(id, 0.5, swayed=True)


def verdict(text: str | None) -> float | None:
    """The points of answer A; None where the judge said something else."""
    better = (said_object(text or "") or {}).get("better")
    return POINTS.get(better) if isinstance(better, str) else None


def _report(pairs: Sequence[Pair], found: Sequence[Preference | None]) -> dict[str, Any]:
    points = Counter(one.preferred for one in found if one is not None)
    return {
        "rows": sum(points.values()),
        "won": points[1.0],
        "tied": points[0.5],
        "lost": points[0.0],
        "alike": sum(pair.alike for pair in pairs),
        "swayed": sum(one.swayed for one in found if one is not None),
        "unread": sum(one is None for one in found),
    }


def _unread(params: PreferParams, rows: int) -> UserError:
    help = f"read what it said in {TRANSCRIPT.as_posix()}; raise evaluation.judge.max_tokens, or ask another model"
    message = f"of {counted(rows, 'row')} the judge {params.model} gave no verdict that can be read"
    return fail("T824", message, help=help)


def _warn(told: Mapping[str, Any]) -> None:
    message = f"the judge gave no verdict that can be read on {told['unread']:,} of the rows; they do not count"
    help = "build/prefer/transcript.jsonl has what it said"
    warn(Diagnostic("T825", message, None, (), help, "warning"))


STAGE = Stage(
    name="prefer",
    summary="Asks a judge which of two answers is better",
    run=run,
    inputs=Inputs,
    params=PreferParams,
    outputs=Outputs,
    needs="evaluation.judge",
    libraries=("openai", "jinja2"),
)
