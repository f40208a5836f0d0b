"""Rows that come in after the split: general ones, and those that a teacher wrote. They are held against every row that
is there, as rows of the sources are held against one another, and against what dev, test and the like say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from stages.catalog import DataGate, members
from stages.contract import Contract
from stages.corpus import KEEP_FIRST, Corpus
from stages.judging_rows import BATCH, Batch, Judge, actions
from stages.leaking import leaks
from stages.rows import Row, read_rows
from stages.seen import Settings
from stages.sketches import sketch

LAST = len(KEEP_FIRST)  # the rank of a latecomer: of rows that are alike, the one that was there before stays
ORDER = ("duplicates", "consistency", "near", "semantic", "quotas")


@dataclass(frozen=True)
class Dropped:
    """A latecomer by its number, and why it is not taken."""

    number: int
    gate: str
    reason: str


class Latecomers:
    """The rows of a split, by its name, and those that want to be trained on as well, numbered as they come."""

    def __init__(self, scratch: Path, look: Judge, contract: Contract, splits: Mapping[str, Path]) -> None:
        self._scratch, self._look = scratch, look
        scratch.parent.mkdir(parents=True, exist_ok=True)
        self._corpus = Corpus(scratch.with_suffix(".spool").open("w+b"), contract)
        self._corpus.track(look.traits)
        self._corpus.files.append("")
        self._place: dict[str, str] = {}
        for name, path in splits.items():
            self._seat(name, path)
        self._first = len(self._corpus)

    def __len__(self) -> int:
        return len(self._corpus) - self._first

    def _seat(self, split: str, path: Path) -> None:
        rows = read_rows(path)
        while batch := list(islice(rows, BATCH)):
            known = [self._look.known(_within(row, split)) for row in batch]
            for row, (judged, _) in zip(batch, known, strict=True):
                self._corpus.add(judged, 0, 0)
                self._place[row.id] = split
            self._corpus.sketched(sketch([words for _, words in known]))

    def come(self, batch: Batch) -> None:
        """The rows of a batch that its own gates let through."""
        for outcome in batch.outcomes:
            if outcome.row is not None:
                self._corpus.add(replace(outcome.row, rank=LAST), 0, outcome.line)
        self._corpus.sketched(batch.bands)

    def row(self, number: int) -> Row:
        return self._corpus.row(self._first + number)

    def sift(self, settings: Settings, contained: float) -> list[Dropped]:
        """Those that another row speaks against; what was there before them stays, whatever a gate says of it."""
        found = {one.number: one for one in self._compared(settings)}
        found |= {one.number: one for one in self._leaking(settings, contained)}
        return [found[number] for number in sorted(found)]

    def _compared(self, settings: Settings) -> Iterator[Dropped]:
        gates, doing = members("stages.data_gates", "DATA_GATE", DataGate), actions(settings)
        for name in ORDER:
            sift = gates[name].sift
            if sift is None or doing[name] not in ("reject", *(["warn"] if name == "semantic" else [])):
                continue  # what `semantic` finds tells which rows leak, whatever it does with them
            for place, reason, _ in list(sift(self._corpus, settings)):
                if doing[name] == "reject" and place >= self._first and place not in self._corpus.dropped:
                    self._corpus.dropped.add(place)
                    yield Dropped(place - self._first, name, reason)

    def _leaking(self, settings: Settings, contained: float) -> Iterator[Dropped]:
        corpus = self._corpus
        numbers = {corpus.name(place): place - self._first for place in corpus.kept().tolist() if place >= self._first}
        place = self._place | dict.fromkeys(numbers, "train")
        related = {"alike": corpus.clusters(settings.threshold), "meaning": corpus.meant()}
        together = {how: [list(map(corpus.name, members)) for members in sets] for how, sets in related.items()}
        corpus.write(self._scratch)
        for leak in leaks(self._scratch, place, together, contained):
            if leak.id in numbers:
                yield Dropped(numbers[leak.id], "leak", f"it says what a row of {leak.split} says")

    def close(self) -> None:
        self._corpus.spool.close()
        for path in (self._scratch, self._scratch.with_suffix(".spool")):
            path.unlink(missing_ok=True)


def _within(row: Row, split: str) -> Row:
    return replace(row, split=split)
