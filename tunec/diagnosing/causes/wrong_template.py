"""The model is spoken to in a form that it does not know."""

from __future__ import annotations

from collections.abc import Iterator

from tunec.diagnosing.build import Build
from tunec.diagnosing.cause import Cause, Sign


def look(build: Build) -> Iterator[Sign]:
    seen = build.training.get("signals", {}).get("wrong_template")
    if seen:
        yield Sign(str(seen["seen"]), 0.95)


def experiment(build: Build) -> str:
    return "`tunec data show 1 --mask` prints a row as it is trained on: is each mark of the template one token?"


CAUSE = Cause(
    "wrong_template",
    "the chat template is not the model's own",
    look,
    experiment,
    "use the instruct model's own tokenizer and chat template; begin with its folder as it was published",
    before=8,
    command="tunec data show 1 --mask",
)
