"""Train rows that say what a row of another split says: an answer learned by heart would look like one understood.

Found are rows that are alike (the same but for case, blanks, punctuation, width and script; near-duplicates; the same
words in another order), that were made from one another, or that say the same in other words, as the data stage joined
them; and rows that hold another split's row inside them.
Source: Brown et al. 2020, appendix C, for the sequences that both have and for leaving out what stands everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.likeness import hashed, said, sequences, words
from stages.rows import Row, read_jsonl, read_rows

_GRAM = 8  # words of a sequence
_FEWEST = 5  # sequences that a row must have to be looked for inside others: twelve words
_COMMON = 20  # rows that a sequence may stand in before it is anyone's phrase
_BATCH = 2048  # rows that are looked at together, at most
_SIGNS = 4_000_000  # their characters, at most, but for a longer row


@dataclass(frozen=True)
class Leak:
    """id: of the train row. of: of the row that it tells, in `split`. how: alike, lineage, meaning or contains."""

    id: str
    of: str
    split: str
    how: str


def leaks(
    rows: Path, place: dict[str, str], together: Mapping[str, list[list[str]]], contained: float
) -> Iterator[Leak]:
    """Every train row that leaks, once, sorted by id. place: row id -> split. together: how -> sets of ids."""
    found = {leak.id: leak for leak in _contained(rows, place, contained)}
    for how in sorted(together, reverse=True):  # alike, where there are several reasons
        found |= {leak.id: leak for leak in _joined(together[how], how, place)}
    yield from (found[id] for id in sorted(found))


def together(near: Path) -> dict[str, list[list[str]]]:
    """The data stage's list of rows that belong together: how -> ids of each set."""
    found: dict[str, list[list[str]]] = {}
    for line in read_jsonl(near):
        found.setdefault(line["how"], []).append(line["rows"])
    return found


def _joined(sets: list[list[str]], how: str, place: dict[str, str]) -> Iterator[Leak]:
    for ids in sets:
        other = next((id for id in ids if place.get(id, "train") != "train"), None)
        if other is not None:
            yield from (Leak(id, other, place[other], how) for id in ids if place.get(id) == "train")


def _contained(rows: Path, place: dict[str, str], share: float) -> Iterator[Leak]:
    import numpy as np

    grams, owners, names = _index(row for row in read_rows(rows) if place.get(row.id, "train") != "train")
    totals = Counter(owners.tolist())
    if not len(grams):
        return
    for batch in _batches(row for row in read_rows(rows) if place.get(row.id) == "train"):
        found, whose = _grams(batch)
        starts, ends = np.searchsorted(grams, found), np.searchsorted(grams, found, side="right")
        shared = {
            (int(whose[at]), owner, int(found[at]))
            for at in np.flatnonzero(ends > starts).tolist()
            for owner in owners[starts[at] : ends[at]].tolist()
        }
        hits = Counter((row, owner) for row, owner, _ in shared)
        for (row, owner), many in sorted(hits.items()):
            if totals[owner] >= _FEWEST and many >= share * totals[owner]:
                yield Leak(batch[row].id, names[owner], place[names[owner]], "contains")


def _index(rows: Iterable[Row]) -> tuple[Any, Any, list[str]]:
    """(sequences, sorted; the number of the row that each stands in; the rows' ids), without everyone's phrases."""
    import numpy as np

    grams: list[Any] = [np.zeros(0, np.uint64)]
    owners: list[Any] = [np.zeros(0, np.int64)]
    names: list[str] = []
    for batch in _batches(rows):
        found, whose = _grams(batch)
        grams.append(found)
        owners.append(whose + len(names))
        names += [row.id for row in batch]
    every, whose = np.concatenate(grams), np.concatenate(owners)
    order = np.lexsort((whose, every))
    every, whose = every[order], whose[order]
    first = np.append(True, (every[1:] != every[:-1]) | (whose[1:] != whose[:-1])) if len(every) else order == 0
    every, whose = every[first], whose[first]
    _, numbers, counts = np.unique(every, return_inverse=True, return_counts=True)
    rare = counts[numbers] <= _COMMON
    return every[rare], whose[rare], names


def _grams(rows: list[Row]) -> tuple[Any, Any]:
    """(hashes of eight words in a row; the place of the row in the batch that each stands in)."""
    return sequences(*hashed([words(_text(row)) for row in rows]), _GRAM)


def _text(row: Row) -> str:
    return row.text if row.text is not None else said(row.input)


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch, signs = list[Row](), 0
    for row in rows:
        many = len(_text(row))
        if batch and (len(batch) == _BATCH or signs + many > _SIGNS):
            yield batch
            batch, signs = [], 0
        batch.append(row)
        signs += many
    if batch:
        yield batch
