"""Dev rows that train rows tell: what looks like understanding was learnt by heart."""

from __future__ import annotations

from collections.abc import Iterator

from tunec.diagnosing import texts
from tunec.diagnosing.build import Build
from tunec.diagnosing.cause import Cause, Sign, strength


def look(build: Build) -> Iterator[Sign]:
    known = texts.told(build.dev, texts.drawn(build.train, 5 * texts.MOST))
    if not known:
        return
    right = {one.id: one.right for one in build.chosen}
    parts = [[right[row.id] for row in build.dev if (row.id in known) is side] for side in (True, False)]
    shares = [f"{sum(part) / len(part):.0%}" if part else "none" for part in parts]
    beside = f"; of them {shares[0]} are right, of the others {shares[1]}"
    figure = f"a train row tells {len(known)} of {len(build.dev)} dev rows, or nearly so{beside}"
    yield Sign(figure, strength(len(known) / len(build.dev), 0.04, 0.15), tuple(sorted(known)))


def experiment(build: Build) -> str:
    return "the dev figure without these rows: `tunec build splits.leakage.action=reject` takes them out of train"


CAUSE = Cause(
    "leak",
    "dev rows stand in train",
    look,
    experiment,
    "take the rows out of train; where rows have a customer or a document, part them by it in splits.group_by",
    before=2,
    patch=lambda build: {"splits.leakage.action": "reject"},
)
