"""Answers are cut off before their end: when they are asked for, or in the train rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from stages.judging import Judged
from tunec.diagnosing.build import Build
from tunec.diagnosing.cause import Cause, Sign, strength


def look(build: Build) -> Iterator[Sign]:
    answers = build.chosen
    cut = [one for one in answers if _cut(one, build)]
    most = build.compiled.variants[0].lookup("evaluation.max_new_tokens")
    figure = f"{len(cut)} of {len(answers)} dev answers were cut at {most} tokens, shorter than the right answer"
    yield Sign(figure, strength(len(cut) / max(1, len(answers)), 0.02, 0.2))
    yield from _train(build)


def _cut(one: Judged, build: Build) -> bool:
    right = build.contract.write(one.gold)
    return one.finish == "length" and len(one.text) < len(right)


def _train(build: Build) -> Iterator[Sign]:
    """Free texts of which many have the very length of the longest: something cut them there."""
    lengths = Counter(len(str(row.output)) for row in build.train) if build.contract.type == "text" else Counter()
    if lengths.total() < 20:
        return
    longest = max(lengths)
    there = lengths[longest] + lengths[longest - 1]
    figure = f"{there} of {lengths.total():,} train answers are {longest} characters long, and none is longer"
    yield Sign(figure, strength(there / lengths.total(), 0.03, 0.15) if longest > 40 else 0.0)


def patch(build: Build) -> Mapping[str, Any]:
    """Half as many tokens again as the longest right answer should take."""
    tokens = sum(max(1, len(one.text)) for one in build.chosen)
    longest = max((len(build.contract.write(row.output)) for row in [*build.train, *build.dev]), default=1)
    each = max(2.0, tokens / max(1, sum(_tokens(build))))
    return {"evaluation.max_new_tokens": max(16, round(1.5 * longest / each))}


def _tokens(build: Build) -> Iterator[int]:
    from stages.answers import read_answers

    name = f"predict-{build.choice['variant']}-{build.choice['candidate']}"
    yield from (answer.tokens for answer in read_answers(build.root / "build" / name / "predictions.jsonl"))


def experiment(build: Build) -> str:
    return "the same weights with more room: `tunec build evaluation.max_new_tokens=…` trains nothing anew"


CAUSE = Cause(
    "truncation",
    "answers are cut off",
    look,
    experiment,
    "raise evaluation.max_new_tokens; look for a limit of length in what made the train rows",
    before=13,
    patch=patch,
)
