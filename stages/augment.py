"""Train rows and a teacher -> more train rows. Asked for = accepted + rejected, always."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from stages.asking import Wanted
from stages.augmenting import TRANSCRIPT, AugmentParams, Inputs, Made, Work
from stages.base import Stage, Write
from stages.counting import counted
from stages.diagnostics import Diagnostic, fail
from stages.kinds import SCORES
from stages.progress import warn
from stages.ranking import Ranking
from stages.rows import Row, as_dict, dumps, read_rows, write_json, write_jsonl


@dataclass(frozen=True)
class Outputs:
    train: Annotated[Path, Write("train.jsonl")]
    rejected: Annotated[Path, Write("rejected.jsonl")]
    transcript: Annotated[Path, Write("transcript.jsonl")]
    report: Annotated[Path, Write("report.json", "metrics")]


def run(inputs: Inputs, params: AugmentParams, out: Outputs) -> None:
    """Ask a teacher for rows of each kind, hold every answer against the contract, the gates and a judge.

    out.train: JSONL, the train rows and those that were accepted, by id; a row that was made names its `parent`. Where
    pairs are asked for, the pairs alone: nothing else is learned from.
    out.rejected: JSONL of {tag, parent, gate, reason, request}; what the teacher said stands in out.transcript, JSONL
    of {key, for, row, body, text, ...}, a line a request. What was asked before is not asked again: build/transcripts/
    keeps every answer, those of a build that was cut off too.
    Raises T744 when no row is left, T748 for a prompt, and T720 to T722 when the endpoint cannot be asked.
    """
    with closing(Work(inputs, params, out.train.with_name("held.jsonl"))) as work:
        made = work.ask()
        accepted = work.sift(made)
        kinds, left = [*work.kinds], work.left
        trained, pairs = _among(inputs.train, accepted), list[Row]()
        if params.pairs.answers:
            ranking = Ranking(work, [*work.rows, *accepted])
            ranked, pairs = ranking.ask()
            made, kinds, left, trained = [*made, *ranked], [*kinds, ranking.kind], left + ranking.left, iter(pairs)
        lines = sorted({**work.teacher.used, **work.judge.used}.values(), key=lambda line: str(line["key"]))
        write_jsonl(out.transcript, lines)
    told = _report(made, kinds, work) | {"not_asked": left}
    if not pairs if params.pairs.answers else made and not accepted:
        raise _nothing_left(made)
    with out.train.open("w", encoding="utf-8", newline="\n") as rows:
        rows.writelines(dumps(as_dict(row), sort_keys=True) + "\n" for row in trained)
    write_jsonl(out.rejected, (_line(one) for one in made if one.gate))
    write_json(out.report, told)
    _warn(told, made)


def _among(train: Path, accepted: Sequence[Row]) -> Iterator[Row]:
    """The train rows as they stand, and the new ones among them, by id."""
    return heapq.merge(read_rows(train), accepted, key=lambda row: row.id)


def _line(one: Made) -> dict[str, Any]:
    about = {"tag": one.wish.wanted.tag, "difficulty": one.wish.wanted.difficulty, "parent": one.wish.parent.id}
    given = {"scores": dict(one.scores)} if one.scores else {}
    return {**about, "gate": one.gate, "reason": one.reason, **given, "request": one.request}


def _report(made: Sequence[Made], wanted: Sequence[Wanted], work: Work) -> dict[str, Any]:
    kinds = [
        {
            **one.model_dump(),
            "asked": sum(other.wish.kind == kind for other in made),
            "accepted": sum(other.wish.kind == kind and not other.gate for other in made),
        }
        for kind, one in enumerate(wanted)
    ]
    kept = [one.scores for one in made if one.scores and not one.gate]
    means = {name: round(sum(given[name] for given in kept) / len(kept), 3) for name in SCORES} if kept else {}
    return {
        "asked": len(made),
        "accepted": sum(not one.gate for one in made),
        "rejected": sum(bool(one.gate) for one in made),
        "gates": dict(sorted(Counter(one.gate for one in made if one.gate).items())),
        "reasons": dict(sorted(Counter(f"{one.gate}: {one.reason}" for one in made if one.gate).items())),
        "kinds": kinds,
        "scores": means,
        "requests": work.teacher.requests + work.judge.requests,
        "tokens": work.teacher.tokens + work.judge.tokens,
    }


def _common(made: Sequence[Made]) -> Iterator[str]:
    reasons = Counter((one.gate, one.reason) for one in made if one.gate)
    yield from (f"{many:,} by {gate}: {reason}" for (gate, reason), many in reasons.most_common(3))


def _nothing_left(made: Sequence[Made]) -> Exception:
    help = f"read what it said in {TRANSCRIPT}; mend the prompt, choose another teacher, or lower generate.judge"
    message = f"none of {len(made):,} rows of the teacher is left" if len(made) > 1 else "the teacher's row is rejected"
    return fail("T744", message, notes=tuple(_common(made)), help=help)


def _warn(told: Mapping[str, Any], made: Sequence[Made]) -> None:
    if told["rejected"]:
        verb = "is" if told["rejected"] == 1 else "are"
        message = f"{told['rejected']:,} of {counted(told['asked'], 'row')} of the teacher {verb} rejected"
        help = "build/augment/rejected.jsonl lists them, and transcript.jsonl beside it what was said"
        warn(Diagnostic("T750", message, None, tuple(_common(made)), help, "warning"))
    if not told["asked"] and not told["not_asked"]:
        help = "remove `generate.label` and `generate.repair`, or bring rows without answers"
        warn(Diagnostic("T756", "every row has its answer, so the teacher is asked nothing", None, (), help, "warning"))
    if told["not_asked"]:
        message = f"{counted(told['not_asked'], 'row', 'was', 'were')} not asked for: the budget is used up"
        warn(Diagnostic("T751", message, None, (), "raise generate.budget, or ask for fewer rows", "warning"))


STAGE = Stage(
    name="augment",
    summary="Asks a teacher for rows and answers to train on, and holds each against the gates and a judge",
    run=run,
    inputs=Inputs,
    params=AugmentParams,
    outputs=Outputs,
    needs="generate",
    libraries=(
        "jinja2",
        "jsonschema",
        "model2vec",
        "numpy",
        "openai",
        "opencc",
        "phonenumbers",
        "python-stdnum",
        "scikit-learn",
    ),
)
