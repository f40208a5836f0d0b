"""More rows would help: there are few, and a part of them does clearly worse than all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from stages.counting import counted
from tunec.diagnosing import texts
from tunec.diagnosing.build import Build
from tunec.diagnosing.cause import Cause, Sign, strength
from tunec.diagnosing.causes.cut_short import cut


def look(build: Build) -> Iterator[Sign]:
    """Only where answers are wrong: few rows that are enough are no fault. The bounds are the usual advice: below 100
    rows a prompt with examples does as well, and the first run wants 500. A training that its budget cut
    short says nothing of its rows.
    """
    if cut(build):
        return
    room = strength(build.missed, 0.05, 0.2)
    rows = len(build.train)
    missed = f"{build.missed:.0%} of the dev rows are not right"
    yield Sign(f"{counted(rows, 'train row')}, and {missed}", 0.9 * room * strength(rows, 250, 80))
    train = build.labelled(build.train)
    if not train:
        return
    label, fewest = min(Counter(label for _, label in train).items(), key=lambda item: (item[1], item[0]))
    yield Sign(f"the rarest label, {label}, has {counted(fewest, 'train row')}", 0.3 * room * strength(fewest, 15, 4))
    yield from _curve(build, room)


def _curve(build: Build, room: float) -> Iterator[Sign]:
    """How much a model of words gains from the second half of the train rows."""
    train, dev = build.labelled(texts.drawn(build.train)), build.labelled(build.dev)
    half = {row.id for row in texts.drawn([row for row, _ in train], len(train) // 2)}
    parts = [[one for one in train if one[0].id in half], train]
    found = [texts.accuracy(part, dev) for part in parts]
    if found[0] is not None and found[1] is not None:
        figure = f"a model of words has {found[0]:.0%} of dev right by half of the train rows, {found[1]:.0%} by all"
        yield Sign(figure, 0.4 * room * strength(found[1] - found[0], 0.04, 0.15))


def experiment(build: Build) -> str:
    return "the same build with half of the train rows: a figure that falls clearly will rise with twice the rows"


CAUSE = Cause(
    "too_few_rows",
    "there are too few train rows",
    look,
    experiment,
    "bring more rows of what is wrong: by hand, from logs, or by a teacher in the section generate",
    before=16,
    command="tunec repair",
)
