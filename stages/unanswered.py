"""Rows whose input is right and whose answer is missing or broken: out of the corpus, and into a file for a teacher."""

from __future__ import annotations

from pathlib import Path

from stages.corpus import KEEP_FIRST, Corpus, Finding
from stages.shapes import UNANSWERED

_RANK = KEEP_FIRST.index(UNANSWERED)


def part(corpus: Corpus, path: Path) -> tuple[int, list[Finding]]:
    """Write them to `path`, JSONL by id, and leave all others in the corpus; returns how many were written.

    Beside that, those whose input is there with an answer already, or stands there twice: nobody is to pay for them.
    """
    asked = sorted((corpus.ids[place], place) for place in range(len(corpus)) if corpus.ranks[place] == _RANK)
    waiting = {place for _, place in asked}
    first = {corpus.keys[place]: place for place in range(len(corpus)) if place not in waiting} if asked else {}
    twice: list[Finding] = []
    with path.open("wb") as out:
        for _, place in asked:
            twin = first.setdefault(corpus.keys[place], place)
            if twin != place:
                twice.append((place, "its input is there already", twin))
            else:
                out.write(corpus.line(place))
    corpus.dropped |= waiting - {place for place, *_ in twice}
    return len(waiting) - len(twice), twice
