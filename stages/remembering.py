"""Rows that a release got right and that must not be lost: which those are, and what became of them.

They are kept by their ids alone, so no row of the data goes into git with them, and a row that is taken out of the data
is forgotten. An id is a hash of input and output: a row whose answer was corrected is another row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from stages.judging import Judged
from stages.rows import Row

CRITICAL = "critical"  # the tag of a source whose rows are marked


def worth_remembering(rows: Sequence[Row], answers: Sequence[Judged]) -> Iterator[str]:
    """The ids of the critical rows that were answered right."""
    for row, answer in zip(rows, answers, strict=True):
        if CRITICAL in row.tags and answer.right:
            yield row.id


def recall(remembered: Iterable[Mapping[str, Any]], answers: Sequence[Judged]) -> dict[str, Any]:
    """{rows, right, lost, gone}: of the remembered rows those that were asked now, how many of them were right, which
    were not, and how many are no longer asked: they left the data, or are trained on.

    remembered: the lines of registry/critical.jsonl, {id, release, previous}.
    """
    found = {answer.id: answer for answer in answers}
    ids = list(dict.fromkeys(str(line["id"]) for line in remembered))
    asked = [found[id] for id in ids if id in found]
    lost = sorted(answer.id for answer in asked if not answer.right)
    return {"rows": len(asked), "right": len(asked) - len(lost), "lost": lost, "gone": len(ids) - len(asked)}
