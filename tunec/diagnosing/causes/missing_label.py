"""A label of the dev rows that no train row has: it cannot be learnt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tunec.diagnosing.build import Build
from tunec.diagnosing.cause import Cause, Sign, strength


def look(build: Build) -> Iterator[Sign]:
    dev = Counter(label for _, label in build.labelled(build.dev))
    missing = dev.keys() - {label for _, label in build.labelled(build.train)}
    rows = sum(dev[label] for label in missing)
    if rows:
        named = ", ".join(sorted(missing)[:5])
        figure = f"{rows} of {len(build.dev)} dev rows have a label that no train row has: {named}"
        yield Sign(figure, strength(rows / len(build.dev), 0.0, 0.03))


def experiment(build: Build) -> str:
    return "20 rows of the label in the train rows, then `tunec build`: are its dev rows right now?"


CAUSE = Cause(
    "missing_label",
    "a label is missing in train",
    look,
    experiment,
    "bring train rows of the label, or take it out of the contract",
    before=1,
    command="tunec repair",
)
