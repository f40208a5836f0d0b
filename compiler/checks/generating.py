"""The section `generate`: what a teacher and a judge are asked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compiler.checks._check import Found, Look, check
from compiler.checks.paths import unsafe
from compiler.resolve import did_you_mean
from stages.kinds import SCORES

_HERE = re.compile(r"http://(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?(/|$)")


@check("T745")
def score_is_known(look: Look) -> Iterator[Found]:
    """A score of `generate.judge.least` that the rubric does not have.

    There are seven: realism, correctness, format, difficulty, diversity, learnability and safety.
    """
    for name in look.task.generate.judge.least if look.task.generate else ():
        if name not in SCORES:
            help = did_you_mean(name, list(SCORES)) or "remove it"
            at = f"generate.judge.least.{name}"
            yield Found(f"the judge gives no score `{name}`", at, help, f"scores: {', '.join(SCORES)}", key=True)


@check("T746", "warning")
def key_travels_safely(look: Look) -> Iterator[Found]:
    """A key that is sent to another machine over http, where whoever listens can read it.

    Write https, or ask an endpoint of this machine.
    """
    generate = look.task.generate
    for name in ("teacher", "judge") if generate else ():
        one = getattr(generate, name)
        if one.endpoint and one.key_env and one.endpoint.startswith("http://") and not _HERE.match(one.endpoint):
            at = f"generate.{name}.endpoint"
            yield Found(f"the key in {one.key_env} is sent over http", at, "write https, or leave key_env out")


@check("T747")
def teacher_writes_answers(look: Look) -> Iterator[Found]:
    """`generate` beside a method that learns from other rows than inputs with their answers.

    A teacher writes an input and its answer, which sft and grpo learn from.
    """
    if look.task.generate and look.shape != "answers":
        method = look.task.training.method
        help = "remove `generate`, or train with `method: sft`"
        yield Found(
            f"a teacher's rows are answers, and `{method}` learns from {look.shape}", "generate", help, key=True
        )


@check("T749")
def prompt_is_there(look: Look) -> Iterator[Found]:
    """A prompt of `generate.prompts` that is not there.

    Put the Jinja file there, or remove the line: then tunec's own prompt is used.
    """
    prompts = look.task.generate.prompts if look.task.generate else None
    for name, path in (("rows", prompts.rows), ("judge", prompts.judge)) if prompts else ():
        if path and not unsafe(path, look.workspace) and ("*" in path or not look.workspace.glob(path)):
            near = did_you_mean(path, look.workspace.glob("prompts/*"))
            help = near or "put the file there, or remove the line: then tunec's own prompt is used"
            yield Found(f"the prompt `{path}` is not there", f"generate.prompts.{name}", help)
