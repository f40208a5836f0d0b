"""Which texts among millions may be alike: MinHash signatures, folded into bands.

A text is kept as 17 numbers of 32 bits, 68 bytes: 16 bands of five of its 80 MinHash values, and one of its words in
any order, which finds clauses that changed places. Two texts that share a number are compared in full, so what is
called alike is alike; two texts of Jaccard 0.8 share one in 998 of 1,000 cases.

The values are computed here, for many texts at a time: handing tokens to a library and its signatures back takes five
times as long as the arithmetic.
Source: Leskovec et al., Mining of Massive Datasets, 3.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from stages.likeness import LENGTH, MOVED, hashed, sequences

ROWS, BANDS = 5, 16
_ALL_PAIRS = 8  # texts in one bucket that are all compared with one another; in a larger one, neighbours and the first
_FOLD = 0x9E3779B97F4A7C15
_BLOCK = 1 << 15  # shingles that are hashed at a time: they and their hashes stay in a core's own cache
_NOTHING = "\0"  # stands for the words that a short text lacks; no word is it


def sketch(texts: Sequence[Sequence[str]]) -> Any:
    """Texts, each as its words -> array of uint32 (texts, BANDS + 1). The last is 0 for a text of few words."""
    import numpy as np

    if not texts:
        return np.zeros((0, BANDS + 1), np.uint32)
    words, lengths = hashed([text if len(text) >= LENGTH else [*text, *[_NOTHING] * LENGTH][:LENGTH] for text in texts])
    values, _ = sequences(words, lengths, LENGTH)
    least = _least((values >> np.uint64(32)).astype(np.uint32), lengths - (LENGTH - 1)).astype(np.uint64)
    folded = np.zeros((BANDS, len(texts)), np.uint64)
    for place in range(ROWS):
        folded = (folded ^ least[place::ROWS]) * np.uint64(_FOLD)
        folded ^= folded >> np.uint64(29)
    scattered = words * np.uint64(_FOLD)
    moved = np.add.reduceat(scattered ^ (scattered >> np.uint64(29)), np.cumsum(lengths) - lengths)
    moved = np.where(lengths >= MOVED, moved * np.uint64(_FOLD), 0)
    return (np.concatenate([folded, moved[None]]) >> np.uint64(32)).astype(np.uint32).T.copy()


def _least(values: Any, counts: Any) -> Any:
    """MinHash values (ROWS * BANDS, texts) of texts whose shingles stand in `values` one text after another."""
    import numpy as np

    starts, found = np.cumsum(counts) - counts, np.zeros((ROWS * BANDS, len(counts)), np.uint32)
    order = np.argsort(counts, kind="stable")
    begin = 0
    while begin < len(order):
        longest = counts[order[begin : begin + max(1, _BLOCK // counts[order[begin]])]]
        many = max(1, int(np.searchsorted(longest * np.arange(1, len(longest) + 1), _BLOCK)))
        texts = order[begin : begin + many]
        # A text a column; of a shorter one the last shingle again and again, which changes no minimum.
        inside = np.minimum(np.arange(longest[many - 1])[:, None], counts[texts] - 1)
        block = values[starts[texts] + inside]
        hashes = np.empty_like(block)
        for number, (mask, factor) in enumerate(_permutations()):
            np.bitwise_xor(block, mask, out=hashes)
            np.multiply(hashes, factor, out=hashes)
            np.minimum.reduce(hashes, axis=0, out=found[number, begin : begin + many])
        begin += many
    unsorted = np.empty_like(found)
    unsorted[:, order] = found
    return unsorted


@cache
def _permutations() -> list[tuple[Any, Any]]:
    """(mask, odd factor) of each, the same on every machine."""
    import numpy as np

    state = np.arange(1, 2 * ROWS * BANDS + 1, dtype=np.uint64) * np.uint64(_FOLD)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    numbers = (state >> np.uint64(32)).astype(np.uint32)
    return [(mask, factor | np.uint32(1)) for mask, factor in zip(numbers[::2], numbers[1::2], strict=True)]


def candidates(bands: Any) -> Iterator[Any]:
    """Arrays (pairs, 2) of texts (i < j) that share a band, band by band; each pair comes once."""
    import numpy as np

    seen = np.zeros(0, np.uint64)
    for column in range(bands.shape[1]):
        numbered = np.sort(bands[:, column].astype(np.uint64) << np.uint64(32) | np.arange(len(bands), dtype=np.uint64))
        ordered, order = numbered >> np.uint64(32), numbered & np.uint64(0xFFFFFFFF)
        edges = np.append(True, ordered[1:] != ordered[:-1]) if len(ordered) else ordered == 0
        bucket = np.cumsum(edges) - 1
        sizes = np.bincount(bucket) if len(bucket) else bucket
        several = (sizes[bucket] > 1) & (ordered != 0)  # 0 stands for no words, or too few to be moved
        found = _pairs(order[several], bucket[several], sizes[bucket][several])
        new = np.setdiff1d(found, seen)
        seen = np.union1d(seen, new)
        yield np.stack([new >> np.uint64(32), new & np.uint64(0xFFFFFFFF)], axis=1).astype(np.int64)


def _pairs(texts: Any, bucket: Any, sizes: Any) -> Any:
    """Pairs as one number each, the smaller text in its upper half. bucket, sizes: of each text; texts of one bucket
    stand together, in their order.
    """
    import numpy as np

    found = [np.zeros(0, np.uint64)]
    for apart in range(1, min(_ALL_PAIRS, len(texts))):
        near = bucket[:-apart] == bucket[apart:]
        near &= (sizes[apart:] <= _ALL_PAIRS) | (apart == 1)
        found.append(texts[:-apart][near] << np.uint64(32) | texts[apart:][near])
    large = sizes > _ALL_PAIRS
    first = texts[np.searchsorted(bucket, bucket)]
    found.append((first << np.uint64(32) | texts)[large & (first != texts)])
    return np.concatenate(found)


class Joined:
    """Sets that grow together: which texts belong to one cluster."""

    def __init__(self) -> None:
        self._above: dict[int, int] = {}

    def find(self, one: int) -> int:
        """The least member of its set."""
        while (above := self._above.get(one, one)) != one:
            self._above[one] = self._above.get(above, above)
            one = above
        return one

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.find(one), self.find(other)))
        self._above[high] = low
        self._above.setdefault(low, low)

    def __bool__(self) -> bool:
        return bool(self._above)

    def sets(self) -> dict[int, list[int]]:
        """Least member -> all members, sorted; of sets of two and more."""
        found: dict[int, list[int]] = {}
        for one in sorted(self._above):
            found.setdefault(self.find(one), []).append(one)
        return found


def clusters(bands: Any, alike: Callable[[int, int], bool]) -> Joined:
    """Join every pair that shares a band and is alike; one that is joined already is not compared again."""
    joined = Joined()
    for pairs in candidates(bands):
        for one, other in pairs.tolist():
            if joined.find(one) != joined.find(other) and alike(one, other):
                joined.join(one, other)
    return joined
