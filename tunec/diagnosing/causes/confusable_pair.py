"""Two labels that are taken for one another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tunec.diagnosing.build import Build
from tunec.diagnosing.cause import Cause, Sign, strength


def look(build: Build) -> Iterator[Sign]:
    """Of labels that were learnt: what no train row has is no matter of telling apart."""
    known = {label for _, label in build.labelled(build.train)}
    both = (one.labels for one in build.wrong if known >= set(one.labels))
    pairs = Counter(tuple(sorted(map(str, labels))) for labels in both if labels[0] != labels[1])
    if not pairs or len(known) < 3:
        return
    (one, other), rows = min(pairs.items(), key=lambda item: (-item[1], item[0]))
    share = rows / len(build.wrong)
    figure = f"{rows} of {len(build.wrong)} wrong dev answers take `{one}` for `{other}`, or the other way"
    yield Sign(figure, 0.85 * strength(share, 0.3, 0.6) * strength(rows, 4, 9))


def experiment(build: Build) -> str:
    return "two people label 50 rows of both: where they do not agree, the border is not drawn; else bring rows at it"


CAUSE = Cause(
    "confusable_pair",
    "two labels are taken for one another",
    look,
    experiment,
    "write the border into both labels' descriptions, and bring rows at it; or make them one label",
    before=17,
    command="tunec repair",
)
