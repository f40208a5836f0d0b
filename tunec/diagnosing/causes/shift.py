"""Train rows and dev rows are not alike: what is learnt is not what is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tunec.diagnosing import texts
from tunec.diagnosing.build import Build
from tunec.diagnosing.cause import Cause, Sign, strength


def look(build: Build) -> Iterator[Sign]:
    train, dev = texts.drawn(build.train), texts.drawn(build.dev)
    found = texts.apart([texts.text(row) for row in train], [texts.text(row) for row in dev])
    if found:
        sure, telling = found
        by = f", by {', '.join(telling[:5])}" if telling else ""
        figure = f"a model of words tells a dev row from a train row with an AUC surely above {sure:.2f}{by}"
        yield Sign(figure, strength(sure, 0.68, 0.85))
    labels = [Counter(label for _, label in build.labelled(rows)) for rows in (train, dev)]
    if all(labels) and labels[1].keys() <= labels[0].keys():
        far = texts.distance(*labels)
        yield Sign(f"{far:.0%} of the dev rows would need another label for train's shares", strength(far, 0.25, 0.5))


def experiment(build: Build) -> str:
    return "splits drawn anew of all rows, without the sources' column `split`: is dev as good as train then?"


CAUSE = Cause(
    "shift",
    "dev rows are unlike the train rows",
    look,
    experiment,
    "bring train rows like those of dev, or dev rows like what will be asked; draw the splits from the same rows",
    before=5,
    command="tunec repair",
)
