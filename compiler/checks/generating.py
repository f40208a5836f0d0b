"""The section `generate`: what a teacher and a judge are asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from compiler.checks._check import Found, Look, check
from compiler.checks.paths import unsafe
from compiler.resolve import did_you_mean
from compiler.schema import lowered
from compiler.workspace import NoText
from stages.facts import methods
from stages.kinds import SCORES
from stages.prompts import Flaw, flaw

if TYPE_CHECKING:
    from compiler.generating import Judge, RowJudge

_HERE = re.compile(r"http://(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?(/|$)")


@check("T745")
def score_is_known(look: Look) -> Iterator[Found]:
    """A score of `generate.judge.least`, or of `data.judge.least`, that the rubric does not have.

    There are seven: realism, correctness, format, difficulty, diversity, learnability and safety.
    """
    for path, name in ((path, name) for path, one in _judges(look) for name in one.least):
        if name not in SCORES:
            help = did_you_mean(name, list(SCORES)) or "remove it"
            at = f"{path}.least.{name}"
            yield Found(f"the judge gives no score `{name}`", at, help, f"scores: {', '.join(SCORES)}", key=True)


@check("T746", "warning")
def key_travels_safely(look: Look) -> Iterator[Found]:
    """A key that is sent to another machine over http, where whoever listens can read it.

    Write https, or ask an endpoint of this machine.
    """
    generate = look.task.generate
    teachers: list[tuple[str, Any]] = [("generate.teacher", generate.teacher)] if generate else []
    if look.task.evaluation.judge:
        teachers.append(("evaluation.judge", look.task.evaluation.judge))
    for path, one in (*teachers, *_judges(look)):
        if one.endpoint and one.key_env and one.endpoint.startswith("http://") and not _HERE.match(one.endpoint):
            at = f"{path}.endpoint"
            yield Found(f"the key in {one.key_env} is sent over http", at, "write https, or leave key_env out")


@check("T747")
def teacher_writes_answers(look: Look) -> Iterator[Found]:
    """`generate` beside a method that learns from other rows than inputs with their answers.

    A teacher writes an input and its answer, which sft and grpo learn from. For dpo and orpo, `generate.pairs` makes
    pairs of them.
    """
    if look.task.generate and look.shape != "answers":
        method = look.task.training.method
        pairs = "add `generate.pairs`, " if look.shape == "pairs" else ""
        help = f"{pairs}remove `generate`, or train with `method: sft`"
        yield Found(
            f"a teacher's rows are answers, and `{method}` learns from {look.shape}", "generate", help, key=True
        )


@check("T753")
def pairs_are_learned(look: Look) -> Iterator[Found]:
    """`generate.pairs` beside a method that does not learn from pairs.

    dpo and orpo do. Train with one of them, or remove it.
    """
    known, method = methods(), look.task.training.method
    if look.task.generate and look.task.generate.pairs and method in known and known[method].rows != "pairs":
        able = ", ".join(name for name, facts in known.items() if facts.rows == "pairs")
        help = f"train with one of {able}, or remove it"
        yield Found(f"`{method}` does not learn from pairs", "generate.pairs", help, key=True)


@check("T754")
def something_is_asked_for(look: Look) -> Iterator[Found]:
    """A section `generate` that asks its teacher for nothing.

    Ask for `rows`, or have it `label` rows without an answer, `repair` broken answers or make `pairs`.
    """
    generate = look.task.generate
    if generate and not (generate.rows or generate.label or generate.repair or generate.pairs):
        help = "write `rows`, `label: true`, `repair: true` or `pairs`, or remove the section"
        yield Found("the teacher is asked for nothing", "generate", help, key=True)


@check("T755")
def pairs_can_be_told_apart(look: Look) -> Iterator[Found]:
    """Pairs without a judge, where only a judge can tell which of two answers is worse.

    Of labels and JSON, an answer other than the row's own is wrong; of two texts both may be right. Nor is there a best
    one without a judge. Switch the judge on.
    """
    generate = look.task.generate
    if not generate or not generate.pairs or generate.judge.enabled:
        return
    help = "remove `enabled: false`"
    if generate.pairs.chosen == "best":
        yield Found("without a judge no answer is the best", "generate.pairs.chosen", help)
    elif lowered(look.task.output_format.type) == "text":
        yield Found("without a judge nobody knows which of two texts is worse", "generate.judge.enabled", help)


@check("T757", "warning")
def key_of_generate_is_read(look: Look) -> Iterator[Found]:
    """A key of `generate` that nothing reads, for what it is about is not asked for.

    `prompts.rows` and `judge.total` belong to `rows`; `examples` and `prompts.answers` to `label`, `repair` and
    `pairs`; `judge.least` to all but `pairs`; `prompts.judge`, `pairs.margin` and who judges to the judge. Remove it.
    """
    generate = look.task.generate
    if generate is None:
        return
    rows, given = bool(generate.rows), generate.label or generate.repair
    answers, judge = bool(given or generate.pairs), generate.judge.enabled
    for path, read in (
        ("prompts.rows", rows),
        ("prompts.answers", answers),
        ("examples", answers),
        ("prompts.judge", judge),
        ("pairs.margin", judge),
        ("judge.total", judge and rows),
        ("judge.least", judge and (rows or given)),
        *((f"judge.{name}", judge) for name in ("endpoint", "model", "key_env")),
    ):
        if not read and look.written(f"generate.{path}"):
            yield Found(
                f"nothing reads `{path}`: what it is about is not asked for", f"generate.{path}", "remove it", key=True
            )


@check("T758", "warning")
def answers_differ(look: Look) -> Iterator[Found]:
    """Several answers to one input at a temperature of 0, which are all the same.

    Raise `generate.teacher.temperature`, such as to 0.8.
    """
    generate = look.task.generate
    if generate and generate.pairs and generate.pairs.answers > 1 and generate.teacher.temperature == 0:
        help = "raise it, such as to 0.8, or write `answers: 1`"
        yield Found("at temperature 0 all answers to an input are the same", "generate.teacher.temperature", help)


@check("T749")
def prompt_is_there(look: Look) -> Iterator[Found]:
    """A prompt of `generate.prompts` or `data.judge` that is not there.

    Put the Jinja file there, or remove the line: then tunec's own prompt is used.
    """
    for at, _, path in _prompts(look):
        if path and not unsafe(path, look.workspace) and ("*" in path or not look.workspace.glob(path)):
            near = did_you_mean(path, look.workspace.glob("prompts/*"))
            help = near or "put the file there, or remove the line: then tunec's own prompt is used"
            yield Found(f"the prompt `{path}` is not there", at, help)


@check("T748")
def prompt_can_be_used(look: Look) -> Iterator[Found]:
    """A prompt of `generate.prompts` or `data.judge` that cannot be used.

    Write plain Jinja, as UTF-8, with the words that the help lists.
    """
    for at, shipped, path in _there(look):
        if found := _flaw(look, path, shipped):
            yield Found(f"the prompt `{path}` {found.what}", at, found.help)


def _flaw(look: Look, path: str, shipped: str) -> Flaw | None:
    try:
        return flaw(look.workspace.text(path), shipped)
    except NoText as error:
        return Flaw(error.what, error.help)


def _there(look: Look) -> Iterator[tuple[str, str, str]]:
    """(key, tunec's own prompt, the workspace's file in its place) of those that are there."""
    for at, shipped, path in _prompts(look):
        if path and "*" not in path and not unsafe(path, look.workspace) and look.workspace.glob(path):
            yield at, shipped, path


def _prompts(look: Look) -> Iterator[tuple[str, str, str | None]]:
    """(key, tunec's own prompt, the file that the key names) of every prompt that a workspace may bring."""
    data, generate = look.task.data, look.task.generate
    if data.judge:
        yield "data.judge.prompt", "data_judge.jinja", data.judge.prompt
    if generate:
        yield "generate.prompts.rows", "augment_rows.jinja", generate.prompts.rows
        yield "generate.prompts.answers", "augment_answers.jinja", generate.prompts.answers
        yield "generate.prompts.judge", "augment_judge.jinja", generate.prompts.judge


def _judges(look: Look) -> list[tuple[str, Judge | RowJudge]]:
    """Key -> each judge that the task has."""
    of_data, generate = look.task.data.judge, look.task.generate
    found: list[tuple[str, Judge | RowJudge]] = [("data.judge", of_data)] if of_data else []
    return [*found, ("generate.judge", generate.judge)] if generate else found
