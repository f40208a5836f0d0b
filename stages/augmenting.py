"""The work of the stage `augment`: what it is given, and how rows and answers are asked for, judged and taken."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from stages.asking import (
    ANSWER,
    About,
    Asking,
    Ring,
    Wanted,
    Wish,
    wishes,
)
from stages.base import File, Key, Params, Read
from stages.engines.endpoint import Endpoint
from stages.journal import Journal
from stages.judging_rows import Batch, Judge
from stages.kinds import LABELLED, REPAIRED
from stages.latecomers import Latecomers
from stages.making import Making, Source
from stages.progress import tell
from stages.prompts import Template
from stages.rows import Row, read_rows
from stages.rubric import refused, scores
from stages.seen import Settings
from stages.teacher import Pace, Question, Teacher, room
from stages.templating import placeholders

TRANSCRIPT = Path("build", "transcripts", "augment.jsonl")  # of all builds; DVC knows nothing of it


@dataclass(frozen=True)
class Inputs:
    train: Annotated[Path, Read("splits.train")]
    dev: Annotated[Path, Read("splits.dev")]
    test: Annotated[Path, Read("splits.test")]
    golden: Annotated[Path, Read("splits.golden")]
    adversarial: Annotated[Path, Read("splits.adversarial")]
    holdout: Annotated[Path, Read("splits.holdout")]
    unanswered: Annotated[Path, Read("data.unanswered")]
    rows_prompt: Annotated[Path | None, File("generate.prompts.rows")] = None
    answers_prompt: Annotated[Path | None, File("generate.prompts.answers")] = None
    judge_prompt: Annotated[Path | None, File("generate.prompts.judge")] = None
    embedder: Annotated[Path | None, File("data.dedupe.embedder")] = None


class Asked(Params):
    """The teacher. timeout: seconds an answer. requests_per_minute: at most."""

    endpoint: Annotated[str, Key("generate.teacher.endpoint")]
    model: Annotated[str, Key("generate.teacher.model")]
    key_env: Annotated[str | None, Key("generate.teacher.key_env")]
    temperature: Annotated[float, Key("generate.teacher.temperature")]
    max_tokens: Annotated[int, Key("generate.teacher.max_tokens")]
    timeout: Annotated[float, Key("generate.teacher.timeout")]
    retries: Annotated[int, Key("generate.teacher.retries")]
    requests_per_minute: Annotated[float | None, Key("generate.teacher.requests_per_minute")]
    structured: Annotated[str, Key("generate.teacher.structured")]


class Judging(Params):
    """total: points of 35 at least; least: of 5, score by score."""

    enabled: Annotated[bool, Key("generate.judge.enabled")]
    endpoint: Annotated[str | None, Key("generate.judge.endpoint")]
    model: Annotated[str | None, Key("generate.judge.model")]
    key_env: Annotated[str | None, Key("generate.judge.key_env")]
    total: Annotated[int, Key("generate.judge.total")]
    least: Annotated[dict[str, int], Key("generate.judge.least")]


class Pairing(Params):
    """answers: to each input; None where no pairs are asked for. rows: at most. margin: points of the judge."""

    answers: Annotated[int | None, Key("generate.pairs.answers")] = None
    rows: Annotated[int | None, Key("generate.pairs.rows")] = None
    chosen: Annotated[str | None, Key("generate.pairs.chosen")] = None
    margin: Annotated[int | None, Key("generate.pairs.margin")] = None


class Budget(Params):
    requests: Annotated[int | None, Key("generate.budget.requests")]
    tokens: Annotated[int | None, Key("generate.budget.tokens")]


class AugmentParams(Params):
    teacher: Asked
    wanted: Annotated[tuple[Wanted, ...], Key("generate.rows")]
    examples: Annotated[int, Key("generate.examples")]
    pairs: Pairing
    judge: Judging
    budget: Budget
    seed: Annotated[int, Key("generate.seed")]
    about: About
    making: Making
    settings: Settings
    contained: Annotated[float, Key("splits.leakage.contained")]


@dataclass
class Made:
    """What became of a wish. gate, reason: why it is rejected. number: of the latecomer. scores: the judge's."""

    wish: Wish
    request: str = ""
    gate: str = ""
    reason: str = ""
    number: int = -1
    scores: Mapping[str, int] = field(default_factory=dict)

    def reject(self, gate: str, reason: str) -> None:
        self.gate, self.reason = gate, reason


class Work:
    """What asking needs: two endpoints with one transcript, the prompts, and the rows that are there."""

    def __init__(self, inputs: Inputs, params: AugmentParams, scratch: Path) -> None:
        self.params = params
        self.rows = [row for row in read_rows(inputs.train) if row.answered]
        self.ring = Ring(self.rows, params.seed)
        waiting = list(read_rows(inputs.unanswered))
        self.kinds = (*params.wanted, *_answering(waiting))
        self.wishes = [*wishes(self.rows, params.wanted, params.seed), *self._to_answer(waiting)]
        self.asking = self._asking()
        self.prompts = {
            "rows": Template.read(inputs.rows_prompt, "augment_rows.jinja"),
            "answers": Template.read(inputs.answers_prompt, "augment_answers.jinja"),
            "judge": Template.read(inputs.judge_prompt, "augment_judge.jinja"),
        }
        self.settings = _of_fields(params.settings, self.asking.fields)
        self.look = Judge([tagged(one.tag) for one in self.kinds], self.asking.making, self.settings)
        splits = {name: getattr(inputs, name) for name in ("train", "dev", "test", "golden", "adversarial", "holdout")}
        self.late = Latecomers(scratch, self.look, self.asking.making.contract, splits)
        self._endpoints()

    def _to_answer(self, waiting: Sequence[Row]) -> Iterator[Wish]:
        """A wish for the answer to every row that waits for one."""
        place = {one.tag: kind for kind, one in enumerate(self.kinds)}
        for row in waiting:
            kind = place[_tag(row)]
            yield Wish(kind, self.kinds[kind], row, shown=self.ring.near(row, max(1, self.params.examples)))

    def _asking(self) -> Asking:
        params = self.params
        own = {"output": ANSWER, "group_by": None, "order_by": None, "tags": None, "label": None, "repair": None}
        fields = tuple(sorted(placeholders(params.making.input_template)))
        making = params.making.model_copy(update=own)
        told = (params.teacher.structured, params.seed, params.examples, params.settings.regions)
        return Asking(params.about, making, fields, *told)

    def _endpoints(self) -> None:
        asked, judge, journal = self.params.teacher, self.params.judge, Journal(TRANSCRIPT)
        pace = Pace(asked.requests_per_minute)
        own = (judge.endpoint, judge.key_env) if judge.endpoint else (asked.endpoint, asked.key_env)
        self.model, self.judge_model = asked.model, judge.model or asked.model
        self.teacher, self.judge = (
            Teacher(Endpoint(url, model, key, asked.timeout, where=where, tries=asked.retries + 1), journal, of)
            for url, model, key, where, of in (
                (asked.endpoint, self.model, asked.key_env, "generate.teacher", pace),
                (
                    own[0],
                    self.judge_model,
                    own[1],
                    "generate.judge",
                    Pace(asked.requests_per_minute) if judge.endpoint else pace,
                ),
            )
        )
        self.url, self.judge_url = asked.endpoint, own[0]

    def ask(self) -> list[Made]:
        """All that the budget allows, a wave at a time."""
        made, kept = list[Made](), 0
        while len(made) < len(self.wishes) and (many := self.room(1 + self.params.judge.enabled)):
            wave = [Made(wish) for wish in self.wishes[len(made) : len(made) + many]]
            self._wave(wave)
            made += wave
            kept += sum(not one.gate for one in wave)
            tell(len(made), len(self.wishes), f"rows asked for, {kept} kept")
        self.left = len(self.wishes) - len(made)
        return made

    def room(self, each: int) -> int:
        """How many rows the next wave may ask for, each of which takes so many requests."""
        return room(self.params.budget.requests, self.params.budget.tokens, (self.teacher, self.judge), each)

    def question(self, wish: Wish) -> Question:
        asked = self.params.teacher
        settings = {"model": self.model, "max_tokens": asked.max_tokens, "temperature": asked.temperature}
        if wish.shown is None:
            return self.asking.row(self.prompts["rows"], wish, self.url, settings)
        return self.asking.answer(self.prompts["answers"], wish, self.url, settings)

    def _wave(self, wave: list[Made]) -> None:
        questions = [self.question(one.wish) for one in wave]
        said = self.teacher.ask(questions)
        given = [
            (one.wish.kind, 0, self.asking.record(text, one.wish, number))
            for number, (one, text) in enumerate(zip(wave, said, strict=True))
        ]
        batch = self.look.batch(given)
        for one, question, outcome in zip(wave, questions, batch.outcomes, strict=True):
            one.request = question.key
            if outcome.rejected:
                one.reject(*outcome.rejected)
        passed = [(one, outcome) for one, outcome in zip(wave, batch.outcomes, strict=True) if outcome.row is not None]
        if self.params.judge.enabled:
            self._judged(
                [one for one, _ in passed], [kept_row(outcome.row.line) for _, outcome in passed if outcome.row]
            )
        kept = [place for place, (one, _) in enumerate(passed) if not one.gate]
        for number, place in enumerate(kept, start=len(self.late)):
            passed[place][0].number = number
        self.late.come(Batch([passed[place][1] for place in kept], batch.bands[kept]))

    def _judged(self, made: Sequence[Made], rows: Sequence[Row]) -> None:
        """Of a given input the answer alone counts, so no total is asked of it: how real, hard or new it is, it is."""
        for one, given in zip(made, self.scores([one.wish for one in made], rows), strict=True):
            total = self.params.judge.total if one.wish.shown is None else 0
            why = refused(given, total, self.params.judge.least) if given else None
            one.scores = given or {}
            if given is None or why:
                one.reject("judge", why or "the judge gave no scores")

    def scores(self, wishes: Sequence[Wish], rows: Sequence[Row]) -> list[dict[str, int] | None]:
        """What the judge gives each of these rows."""
        settings = {"model": self.judge_model, "max_tokens": self.params.teacher.max_tokens, "temperature": 0}
        questions = [
            self.asking.judging(self.prompts["judge"], wish, row, self.judge_url, settings)
            for wish, row in zip(wishes, rows, strict=True)
        ]
        return [scores(said.text or "") for said in self.judge.ask(questions)]

    def sift(self, made: Sequence[Made]) -> list[Row]:
        """The rows that nothing else speaks against, each with its parent; by id."""
        by_number = {one.number: one for one in made if not one.gate}
        for dropped in self.late.sift(self.settings, self.params.contained):
            by_number[dropped.number].reject(dropped.gate, dropped.reason)
        kept = (one for one in made if not one.gate)
        return sorted((_child(self.late.row(one.number), one.wish) for one in kept), key=lambda row: row.id)

    def close(self) -> None:
        self.late.close()
        self.teacher.close()
        self.judge.close()


def _answering(waiting: Sequence[Row]) -> Iterator[Wanted]:
    """The kinds of rows that wait for an answer."""
    tags = [_tag(row) for row in waiting]
    for tag in (LABELLED, REPAIRED):
        if tag in tags:
            yield Wanted(tag=tag, count=tags.count(tag), difficulty="medium", edge_case=None)


def _tag(row: Row) -> str:
    return LABELLED if row.rejected is None else REPAIRED


def _child(row: Row, wish: Wish) -> Row:
    """A row as it is trained on: with its parent; one whose input was given, as its source has it."""
    parent, own = wish.parent, replace(row, parent=wish.parent.id, group=wish.parent.group)
    if wish.shown is None:
        return own
    return replace(own, tags=(*parent.tags, *row.tags), when=parent.when, weight=parent.weight)


def tagged(tag: str) -> Source:
    """What stands for a source of rows that are made."""
    return Source(path="", format="jsonl", map={}, tags=(tag,), role=None, files=(), shape="columns")


def _of_fields(settings: Settings, fields: Sequence[str]) -> Settings:
    """Patterns of columns that are no input, and licences, say nothing of what a teacher writes."""
    patterns = {column: pattern for column, pattern in settings.patterns.items() if column in fields}
    return settings.model_copy(update={"patterns": patterns, "license_column": None, "refused_licenses": ()})


def kept_row(line: bytes) -> Row:
    """A row that the gates have seen."""
    told = json.loads(line)
    return Row(**{**told, "tags": tuple(told.get("tags", ()))})
