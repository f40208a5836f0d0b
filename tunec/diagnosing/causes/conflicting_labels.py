"""One input, two answers: no model can learn both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from stages.likeness import key, words
from stages.rows import Row, dumps
from tunec.diagnosing import texts
from tunec.diagnosing.build import Build
from tunec.diagnosing.cause import Cause, Sign, strength


def look(build: Build) -> Iterator[Sign]:
    if build.contract.type == "text":  # there are many right ones
        return
    rows = conflicting(build.train)
    figure = f"{len(rows)} of {len(build.train)} train rows have an input that another one answers otherwise"
    yield Sign(figure, strength(len(rows) / max(1, len(build.train)), 0.01, 0.08), tuple(sorted(rows)))
    out = int(build.data["gates"].get("consistency", {}).get("rejected", 0))
    figure = (
        f"{out:,} of {build.data['read']:,} rows were left out, because another one answers the same input otherwise"
    )
    yield Sign(figure, strength(out / max(1, build.data["read"]), 0.02, 0.15))


def conflicting(rows: list[Row]) -> set[str]:
    """Ids of the rows whose input another row answers otherwise."""
    answers: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        given = texts.text(row)
        answers[key(words(given), given)][dumps(row.output, sort_keys=True)].append(row.id)
    return {id for said in answers.values() if len(said) > 1 for ids in said.values() for id in ids}


def experiment(build: Build) -> str:
    return "two people label 50 of these inputs: where they do not agree either, the task is not clear"


CAUSE = Cause(
    "conflicting_labels",
    "the same input has two answers",
    look,
    experiment,
    "decide which answer is right, write the rule into the label's description, and mend the rows",
    before=3,
    patch=lambda build: {"data.gates.consistency": "reject"},
    command="tunec data show consistency",
)
