"""All rows of a build as numbers in memory and texts on disk: what gates look at that compare rows with one another.

A row takes some 150 bytes here, whatever its length: a million rows, 150 MB.
"""

from __future__ import annotations

import itertools
import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from stages import likeness
from stages.contract import Contract
from stages.rows import Row, as_dict, dumps
from stages.seen import Seen
from stages.shapes import APART, HOLDOUT, UNANSWERED
from stages.sketches import Joined, clusters

# A row that stands in several splits counts for the one furthest from training, so that no test row is trained on; one
# that is still to be drawn may come to be a test row.
KEEP_FIRST = (*APART, HOLDOUT, "test", "dev", None, "train", UNANSWERED)
TRAINABLE = KEEP_FIRST.index(None)  # ranks from here on may be trained on: they alone are dropped for another row
PARENT = "parent"  # the column that names the row which a row was made from
Finding = tuple[int, str, int | None]  # place, why, the place of the row that it is held against


@dataclass(frozen=True, slots=True)
class Judged:
    """What is kept in memory of one row, made where the row was judged."""

    line: bytes
    id: int
    rank: int
    key: int
    answer: int
    own: int
    parent: int
    traits: tuple[str, ...]


def judged(seen: Seen, traits: tuple[str, ...]) -> Judged:
    """traits: the row's label, licence and what the quotas ask for, in the corpus's order."""
    row = seen.row
    line = dumps(as_dict(row), sort_keys=True).encode() + b"\n"  # two rows that differ in key order are one
    worse = dumps(row.rejected, sort_keys=True) if row.rejected is not None else ""
    answer = likeness.digest(f"{row.text is None}{dumps(row.output, sort_keys=True)}{worse}")
    told, parent = (_told(seen.fields.get(name)) for name in ("id", PARENT))
    key = likeness.key(seen.words, seen.text)
    return Judged(line, int(row.id, 16), KEEP_FIRST.index(row.split), key, answer, told, parent, traits)


def _told(name: Any) -> int:
    return likeness.digest(str(name)) if isinstance(name, str | int) else 0


@dataclass
class Corpus:
    """Rows by place, in the order that they were read in. Arrays are as long as there are rows.

    ids: 48 bits. keys: of the input, written alike. answers: of the answer. own, parents: of the columns `id` and
    `parent`, 0 for none. dropped: places that a gate took out. meaning: pairs of places that say the same in other
    words. traits: name -> a code for each row, whose text `names` has.
    verdicts: whether rows hold several answers to one input on purpose.
    """

    spool: BinaryIO
    contract: Contract
    verdicts: bool = False
    files: list[str] = field(default_factory=list)
    ids: Any = field(default_factory=lambda: array("Q"))
    ranks: Any = field(default_factory=lambda: array("b"))
    keys: Any = field(default_factory=lambda: array("Q"))
    answers: Any = field(default_factory=lambda: array("Q"))
    own: Any = field(default_factory=lambda: array("Q"))
    parents: Any = field(default_factory=lambda: array("Q"))
    offsets: Any = field(default_factory=lambda: array("Q"))
    sources: Any = field(default_factory=lambda: array("H"))
    lines: Any = field(default_factory=lambda: array("L"))
    traits: dict[str, Any] = field(default_factory=dict)
    names: dict[str, dict[str, int]] = field(default_factory=dict)
    dropped: set[int] = field(default_factory=set)
    meaning: list[tuple[int, int]] = field(default_factory=list)
    _bands: list[Any] = field(default_factory=list)
    _written: int = 0
    _joined: Joined | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, row: Judged, file: int, line: int) -> None:
        self.offsets.append(self._written)
        self._written += self.spool.write(row.line)
        self.ids.append(row.id)
        self.ranks.append(row.rank)
        self.keys.append(row.key)
        self.answers.append(row.answer)
        self.own.append(row.own)
        self.parents.append(row.parent)
        self.sources.append(file)
        self.lines.append(line)
        for name, value in zip(self.traits, row.traits, strict=True):
            self.traits[name].append(self.names[name].setdefault(value, len(self.names[name])))

    def sketched(self, bands: Any) -> None:
        """The sketches of the rows that were added last, in their order."""
        self._bands.append(bands)

    def track(self, traits: Sequence[str]) -> None:
        """What each row is told to have, in this order, from the first row on."""
        self.traits = {name: array("i") for name in traits}
        self.names = {name: {} for name in traits}

    def values(self, trait: str) -> list[str]:
        """Each row's value; one that is several holds them with \\x1f between."""
        names = list(self.names[trait])
        return [names[code] for code in self.traits[trait]]

    def kept(self) -> Any:
        """Places that no gate has taken out yet, as an array."""
        import numpy as np

        mask = np.ones(len(self), bool)
        mask[list(self.dropped)] = False
        return np.flatnonzero(mask)

    def trainable(self) -> Any:
        """Those that are kept and may be trained on: no other is dropped for the sake of a row."""
        import numpy as np

        kept = self.kept()
        return kept[np.frombuffer(self.ranks, np.int8)[kept] >= TRAINABLE]

    def splits(self) -> set[str | None]:
        """The splits that rows which are kept are named for; None where one is still to be drawn."""
        import numpy as np

        return {KEEP_FIRST[rank] for rank in np.unique(np.frombuffer(self.ranks, np.int8)[self.kept()]).tolist()}

    def where(self, place: int) -> str:
        return f"{self.files[self.sources[place]]}:{self.lines[place]}"

    def name(self, place: int) -> str:
        """The row's id, as it is written."""
        return f"{self.ids[place]:012x}"

    def line(self, place: int) -> bytes:
        self.spool.seek(self.offsets[place])
        return self.spool.readline()

    def row(self, place: int) -> Row:
        told = json.loads(self.line(place))
        return Row(**{**told, "tags": tuple(told.get("tags", ()))})

    def words(self, place: int) -> list[str]:
        return Seen(self.row(place), {}, self.contract).words

    def shingles(self, place: int) -> set[str]:
        return set(likeness.shingles(self.words(place)))

    def alike(self, one: int, other: int, threshold: float) -> bool:
        """Whether two inputs are near-duplicates, or long and of the same words in another order."""
        if self.keys[one] == self.keys[other]:
            return True
        left, right = self.words(one), self.words(other)
        if likeness.jaccard(set(likeness.shingles(left)), set(likeness.shingles(right))) >= threshold:
            return True
        return len(left) >= likeness.MOVED and sorted(left) == sorted(right)

    def near(self, threshold: float) -> Joined:
        """Clusters of inputs that are alike, whatever their answers; over the rows that were kept when first asked."""
        if self._joined is None:
            import numpy as np

            kept = self.kept()
            bands = np.concatenate(self._bands)[kept] if self._bands else np.zeros((0, 1), np.uint32)
            self._bands = []
            order = np.lexsort((np.frombuffer(self.ids, np.uint64)[kept], np.frombuffer(self.ranks, np.int8)[kept]))
            place = [int(found) for found in kept[order]]
            found = clusters(bands[order], lambda a, b: self.alike(place[a], place[b], threshold))
            self._joined = Joined()
            for members in found.sets().values():
                for one, other in itertools.pairwise(members):
                    self._joined.join(place[one], place[other])
        return self._joined

    def by_rank(self, places: Sequence[int]) -> list[int]:
        """Those furthest from training first, then by id: the order does not depend on the files'."""
        return sorted(places, key=lambda place: (self.ranks[place], self.ids[place], place))

    def clusters(self, threshold: float) -> Iterator[list[int]]:
        """Places of kept rows that are alike, two and more, each cluster by rank and id."""
        for members in self.near(threshold).sets().values():
            left = [place for place in members if place not in self.dropped]
            if len(left) > 1:
                yield self.by_rank(left)

    def families(self) -> Iterator[list[int]]:
        """Places of kept rows that were made from one another, by their columns `parent` and `id` or by the ids that
        rows have here; two and more, each family by rank and id.
        """
        wanted = set(self.parents) - {0}
        heads: dict[int, int] = {}
        pairs = []
        for place in range(len(self)) if wanted else ():
            names = {self.own[place], likeness.digest(self.name(place))} & wanted | {self.parents[place]} - {0}
            pairs += [(heads.setdefault(name, place), place) for name in names]
        yield from self._sets(pairs)

    def meant(self) -> Iterator[list[int]]:
        """Places of kept rows that say the same in other words, as the gate `semantic` found them."""
        yield from self._sets(self.meaning)

    def _sets(self, pairs: Iterable[tuple[int, int]]) -> Iterator[list[int]]:
        """What pairs of places come to, as `clusters` gives it. A duplicate stands for the row that was kept of it."""
        joined = Joined()
        for one, other in pairs:
            joined.join(one, other)
        kept = {self.ids[place]: place for place in self.kept().tolist()} if joined else {}
        for members in joined.sets().values():
            left = {kept[self.ids[place]] for place in members if self.ids[place] in kept}
            if len(left) > 1:
                yield self.by_rank(list(left))

    def write(self, path: Path) -> int:
        """The rows that are kept, sorted by id, so that neither order nor repetition of source rows changes a byte."""
        import numpy as np

        kept = self.kept()
        order = kept[np.argsort(np.frombuffer(self.ids, np.uint64)[kept], kind="stable")] if len(kept) else kept
        with path.open("wb") as out:
            for place in order.tolist():
                out.write(self.line(place))
        return len(order)
