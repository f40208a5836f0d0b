"""Train rows with a wrong answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from stages.likeness import said, words
from stages.rows import Row
from tunec.diagnosing import texts
from tunec.diagnosing.build import Build
from tunec.diagnosing.cause import Cause, Sign, strength
from tunec.diagnosing.causes.conflicting_labels import conflicting

_FEWEST = 60  # rows that say anything of how many are wrong


def look(build: Build) -> Iterator[Sign]:
    yield from _labels(build)
    if isinstance(build.contract.schema_, dict) and build.contract.label_field is None:
        yield from _values(build)


def _labels(build: Build) -> Iterator[Sign]:
    """Labels that other rows do not foretell, beside those of dev: what is only hard, is hard in both."""
    clash, leaked = conflicting(build.train), texts.told(build.dev, build.train)
    train = build.labelled([row for row in texts.drawn(build.train) if row.id not in clash])
    dev = build.labelled([row for row in build.dev if row.id not in leaked])
    doubted = texts.doubts(train) if len(train) >= _FEWEST else None
    right = texts.accuracy(train, dev) if doubted else None
    if doubted is None or right is None:
        return
    named = ", ".join(sorted(doubted.rows)[:3])
    figure = (
        f"a model of words misses {doubted.missed:.0%} of the train labels that it was not made of, and "
        f"{1 - right:.0%} of the dev labels; for {len(doubted.rows)} train rows it is sure of another, first {named}"
    )
    noise = strength(doubted.missed - (1 - right), 0.05, 0.13)
    yield Sign(figure, noise, tuple(sorted(doubted.rows)))


def _values(build: Build) -> Iterator[Sign]:
    """Texts of the answers that do not stand in the input, more often than in dev."""
    train, dev = (_strange(rows) for rows in (texts.drawn(build.train), build.dev))
    figure = (
        f"{train:.0%} of the values in train answers do not stand in their input, {dev:.0%} of those in dev answers"
    )
    yield Sign(figure, strength(train - dev, 0.05, 0.2))


def _strange(rows: Sequence[Row]) -> float:
    found = [_within(value, row) for row in rows for value in _leaves(row.output)]
    return 1 - sum(found) / len(found) if found else 0.0


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    elif isinstance(value, str):
        yield value


def _within(value: str, row: Row) -> bool:
    return " ".join(words(value)) in " ".join(words(said(row.input)))


def experiment(build: Build) -> str:
    return (
        "a person labels 50 of the doubted rows anew; and 100 rows that nothing speaks against must be learnt: "
        "`tunec diagnose --clean data/clean.jsonl` writes them and says how"
    )


CAUSE = Cause(
    "label_noise",
    "train rows have wrong answers",
    look,
    experiment,
    "read the doubted rows (`tunec diagnose --json` lists them), and correct or drop them",
    before=4,
    patch=lambda build: {"training.signals.suspects": 200},
)
