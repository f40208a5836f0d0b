"""The work of the stage `augment`: what it is given, and how a row is asked for, judged and taken."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from stages.asking import ANSWER, COMMON, About, Asking, Wanted, Wish, wishes
from stages.base import File, Key, Params, Read
from stages.engines.endpoint import Endpoint
from stages.journal import Journal
from stages.judging_rows import Batch, Judge
from stages.latecomers import Latecomers
from stages.making import Making, Source
from stages.progress import tell
from stages.prompts import Template
from stages.rows import Row, read_rows
from stages.rubric import refused, scores
from stages.seen import Settings
from stages.teacher import WAVE, Pace, Teacher
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
    rows_prompt: Annotated[Path | None, File("generate.prompts.rows")] = None
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


class Budget(Params):
    requests: Annotated[int | None, Key("generate.budget.requests")]
    tokens: Annotated[int | None, Key("generate.budget.tokens")]


class AugmentParams(Params):
    teacher: Asked
    wanted: Annotated[tuple[Wanted, ...], Key("generate.rows")]
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
    """What asking needs: two endpoints with one transcript, two prompts, and the rows that are there."""

    def __init__(self, inputs: Inputs, params: AugmentParams, scratch: Path) -> None:
        self.params = params
        fields = tuple(sorted(placeholders(params.making.input_template)))
        making = params.making.model_copy(update={"output": ANSWER, "group_by": None, "order_by": None, "tags": None})
        self.asking = Asking(params.about, params.making, fields, params.teacher.structured)
        self.prompts = (
            Template.read(inputs.rows_prompt, "augment_rows.jinja", COMMON),
            Template.read(inputs.judge_prompt, "augment_judge.jinja", (*COMMON, "row", "rubric")),
        )
        self.settings = _of_fields(params.settings, fields)
        self.look = Judge([_source(one.tag) for one in params.wanted], making, self.settings)
        self.rows = [row for row in read_rows(inputs.train) if row.answered]
        splits = {name: getattr(inputs, name) for name in ("train", "dev", "test", "golden", "adversarial", "holdout")}
        self.late = Latecomers(scratch, self.look, making.contract, splits)
        self._endpoints()

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
        waiting = list(wishes(self.rows, self.params.wanted, self.params.seed))
        made: list[Made] = []
        while waiting and (many := self._room()):
            wave, waiting = [Made(wish) for wish in waiting[:many]], waiting[many:]
            self._wave(wave)
            made += wave
            tell(len(made), len(made) + len(waiting), f"rows asked for, {sum(not one.gate for one in made)} kept")
        self.left = len(waiting)
        return made

    def _room(self) -> int:
        """How many rows the next wave may ask for: each takes a request, and one of the judge."""
        budget, each = self.params.budget, 1 + self.params.judge.enabled
        if budget.tokens is not None and self.teacher.tokens + self.judge.tokens >= budget.tokens:
            return 0
        if budget.requests is None:
            return WAVE
        return min(WAVE, max(0, budget.requests - self.teacher.requests - self.judge.requests) // each)

    def _wave(self, wave: list[Made]) -> None:
        asked = self.params.teacher
        settings = {"model": self.model, "max_tokens": asked.max_tokens, "temperature": asked.temperature}
        questions = [self.asking.row(self.prompts[0], one.wish, self.url, settings, self.params.seed) for one in wave]
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
            self._judged([one for one, _ in passed], [_row(outcome.row.line) for _, outcome in passed if outcome.row])
        kept = [place for place, (one, _) in enumerate(passed) if not one.gate]
        for number, place in enumerate(kept, start=len(self.late)):
            passed[place][0].number = number
        self.late.come(Batch([passed[place][1] for place in kept], batch.bands[kept]))

    def _judged(self, made: Sequence[Made], rows: Sequence[Row]) -> None:
        settings = {"model": self.judge_model, "max_tokens": self.params.teacher.max_tokens, "temperature": 0}
        questions = [
            self.asking.judging(self.prompts[1], one.wish, row, self.judge_url, settings)
            for one, row in zip(made, rows, strict=True)
        ]
        for one, said in zip(made, self.judge.ask(questions), strict=True):
            given = scores(said.text or "")
            why = refused(given, self.params.judge.total, self.params.judge.least) if given else None
            one.scores = given or {}
            if given is None or why:
                one.reject("judge", why or "the judge gave no scores")

    def sift(self, made: Sequence[Made]) -> list[Row]:
        """The rows that nothing else speaks against, each with its parent; by id."""
        by_number = {one.number: one for one in made if not one.gate}
        for dropped in self.late.sift(self.settings, self.params.contained):
            by_number[dropped.number].reject(dropped.gate, dropped.reason)
        kept = (one for one in made if not one.gate)
        rows = (
            replace(self.late.row(one.number), parent=one.wish.parent.id, group=one.wish.parent.group) for one in kept
        )
        return sorted(rows, key=lambda row: row.id)

    def close(self) -> None:
        self.late.close()
        self.teacher.close()
        self.judge.close()


def _source(tag: str) -> Source:
    return Source(path="", format="jsonl", map={}, tags=(tag,), role=None, files=(), shape="columns")


def _of_fields(settings: Settings, fields: Sequence[str]) -> Settings:
    """Patterns of columns that are no input, and licences, say nothing of what a teacher writes."""
    patterns = {column: pattern for column, pattern in settings.patterns.items() if column in fields}
    return settings.model_copy(update={"patterns": patterns, "license_column": None, "refused_licenses": ()})


def _row(line: bytes) -> Row:
    told = json.loads(line)
    return Row(**{**told, "tags": tuple(told.get("tags", ()))})
