"""The likeliest of a few texts after each prompt, exactly, without scoring them all.

The texts' tokens make a tree. A text's log-probability only falls with every token, so the tree is searched best first:
the text that is likelier than all that is open is the likeliest, and what was never looked at cannot be it.
Branches stand side by side in one cache. Each text is a sequence of its own, and a token belongs to all texts that go
through it: what they share is read once, nothing is taken back, and one decoding call takes branches of several rows.
Source: best-first search with an admissible bound (Hart, Nilsson and Raphael 1968).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stages.engines._llama_native import SEQUENCES, Batch, Context, Logits, Model
from stages.engines._llama_slots import BATCH, CELLS
from stages.engines._prefix import shared_prefix

OPEN = 0.01  # share of the probability that may be left unexplored when a label's own is told
MOST = 64  # branches that are looked at for that, beyond those that the answer needed
WAVE = 48  # branches a decoding call: reading some dozens costs little more than reading one
LIKELY = 0.9  # branches are read together until they hold so much of what is open


@dataclass
class Node:
    """A token after those above it, the depth-th of its texts, which are the tree's `many` from the `first` on.

    label: which text ends here; its own token is then the end of the answer.
    """

    token: int
    depth: int
    first: int
    many: int = 0
    children: dict[int, Node] = field(default_factory=dict)
    label: int | None = None

    def branches(self) -> int:
        """Tokens below this one that may have to be read."""
        return sum(1 + child.branches() for child in self.children.values() if child.label is None)


@dataclass(frozen=True)
class Found:
    """label: the likeliest text's place. confidence: its probability among all texts, within OPEN."""

    index: int
    label: int
    confidence: float


def trees(texts: Sequence[Sequence[int]], end: int) -> list[Node]:
    """The texts' tokens, each with the end of the answer behind it; another tree where one cache cannot hold them all.

    No two texts may be alike.
    """
    ordered = sorted((*tokens, end, label) for label, tokens in enumerate(texts))
    return [_tree(ordered[begin : begin + SEQUENCES]) for begin in range(0, len(ordered), SEQUENCES)]


def _tree(texts: Sequence[tuple[int, ...]]) -> Node:
    """Of (token, …, end, label) in order, so that texts which begin alike stand together."""
    root = Node(token=-1, depth=0, first=0, many=len(texts))
    for place, (*tokens, label) in enumerate(texts):
        node = root
        for depth, token in enumerate(tokens, start=1):
            node = node.children.setdefault(token, Node(token, depth, place))
            node.many += 1
        node.label = label
    return root


Open = tuple[float, int, int, Node]  # minus its log-probability, and the node; the numbers between settle ties


@dataclass
class _Row:
    """One row's search. prompt: without what all share. base: the first of its sequences. length: of the whole prompt.
    waiting: a heap of what is open. later: the same of trees whose turn has not come. passed: of those that had it.
    said: the log-probabilities of whole texts. looked: branches of this tree that were read for the confidence alone.
    """

    index: int
    prompt: list[int]
    base: int
    length: int
    waiting: list[Open] = field(default_factory=list)
    later: list[list[Open]] = field(default_factory=list)
    passed: list[Open] = field(default_factory=list)
    said: dict[int, float] = field(default_factory=dict)
    looked: int = 0

    def begin(self, roots: Sequence[Node], logits: Logits) -> None:
        """Learn what may follow the prompt, in each tree."""
        for root in roots:
            self.waiting = []
            self.learn(root, 0.0, logits)
            self.later.append(self.waiting)
        self.waiting = self.later.pop()

    def learn(self, node: Node, at: float, logits: Logits) -> None:
        """Put the children of a node that was read among what is open. at: its log-probability."""
        highest = float(logits.max())
        total = highest + math.log(float(np.exp(logits - highest, dtype=np.float32).sum(dtype=np.float64)))
        for token, child in node.children.items():
            sure = at + float(logits[token]) - total
            if child.label is None:
                heapq.heappush(self.waiting, (-sure, child.first, child.depth, child))
            else:
                self.said[child.label] = sure

    def wave(self, most: int) -> list[tuple[Node, float]]:
        """The branches to read next, with their log-probabilities; none when it is known what leads, and how surely."""
        least = max(self.said.values(), default=-math.inf)
        if known := not self.waiting or -self.waiting[0][0] <= least:
            if not self.waiting or self.looked >= MOST or self._sure()[1] <= OPEN:
                return []
            least, most = -math.inf, min(most, MOST - self.looked)
        taken = [heapq.heappop(self.waiting)]
        likeliest, held = taken[0][0], 1.0
        enough = LIKELY * (held + sum(math.exp(likeliest - worse) for worse, *_ in self.waiting))
        while self.waiting and len(taken) < most and held < enough and -self.waiting[0][0] > least:
            taken.append(heapq.heappop(self.waiting))
            held += math.exp(likeliest - taken[-1][0])
        self.looked += len(taken) if known else 0
        return [(node, -worse) for worse, _, _, node in taken]

    def turn(self) -> None:
        """To the next tree."""
        self.passed += self.waiting
        self.waiting, self.looked = self.later.pop(), 0

    def found(self) -> Found:
        label = min(self.said, key=lambda label: (-self.said[label], label))
        return Found(self.index, label, self._sure()[0])

    def _sure(self) -> tuple[float, float]:
        """The shares of the likeliest text and of what is open, of all the probability that is known of."""
        open_ = _log_sum(-worse for worse, *_ in (*self.waiting, *self.passed))
        all_ = float(np.logaddexp(open_, _log_sum(self.said.values())))
        return math.exp(max(self.said.values()) - all_), math.exp(open_ - all_)


def _log_sum(values: Iterable[float]) -> float:
    return float(np.logaddexp.reduce([*values], initial=-math.inf))


@dataclass(frozen=True)
class _Piece:
    """Tokens to read, and who asks for what the last one foretells. The sequences are as in Batch.add."""

    tokens: Sequence[int]
    position: int
    sequence: int
    many: int
    asker: Any = None


class _Cache:
    """A cache that several rows' branches stand in."""

    def __init__(self, context: Context) -> None:
        self.context, self._batch = context, Batch(context.lib, BATCH)

    def read(self, pieces: Iterable[_Piece]) -> Iterator[tuple[Any, Logits]]:
        """In as few decoding calls as hold them: each one's asker, with logits that last until the next is taken."""
        ended: list[tuple[Any, int]] = []
        for piece in pieces:
            begin = 0
            while begin < len(piece.tokens):
                if self._batch.size == BATCH:
                    yield from self._decoded(ended)
                some = piece.tokens[begin : begin + BATCH - self._batch.size]
                last = begin + len(some) == len(piece.tokens)
                at = piece.position + begin
                place = self._batch.add(some, at, piece.sequence, many=piece.many, logits=last)
                ended += [(piece.asker, place)] if last else []
                begin += len(some)
        yield from self._decoded(ended)

    def _decoded(self, ended: list[tuple[Any, int]]) -> Iterator[tuple[Any, Logits]]:
        if self._batch.size:
            self.context.decode(self._batch)
            self._batch.clear()
        for asker, place in ended:
            yield asker, self.context.logits(place)
        ended.clear()

    def forget(self, first: int, many: int, kept: int) -> None:
        for sequence in range(first, first + many):
            self.context.forget(sequence, kept)


def search(
    model: Model, prompts: Sequence[list[int]], roots: Sequence[Node], sequences: int, *, share: bool = True
) -> Iterator[Found]:
    """The likeliest text after each prompt, as soon as it is known. sequences: rows that are searched together."""
    prefix = shared_prefix(prompts) if share else 0
    width = max(root.many for root in roots)
    cells = max(map(len, prompts)) - prefix + max(root.branches() for root in roots)
    together = max(1, min(sequences, len(prompts), SEQUENCES // width, (CELLS - prefix) // cells))
    all_ = together * width
    with closing(Context(model, cells=prefix + together * cells, sequences=all_, batch=BATCH, unified=True)) as context:
        cache = _Cache(context)
        list(cache.read([_Piece(prompts[0][:prefix], 0, 0, all_)]))
        for begin in range(0, len(prompts), together):
            rows = [
                _Row(begin + place, prompt[prefix:], place * width, len(prompt))
                for place, prompt in enumerate(prompts[begin : begin + together])
            ]
            yield from _together(cache, rows, roots, width)
            cache.forget(0, all_, prefix)


def _together(cache: _Cache, rows: list[_Row], roots: Sequence[Node], width: int) -> Iterator[Found]:
    texts = (_Piece(row.prompt, row.length - len(row.prompt), row.base, width, row) for row in rows)
    for row, logits in cache.read(texts):
        row.begin(roots, logits)
    while rows:
        pieces, going = [], []
        for row in rows:
            wave = _wave(cache, row, max(1, WAVE // len(rows)), width)
            if not wave:
                yield row.found()
                continue
            going.append(row)
            for node, at in wave:
                place = row.length + node.depth - 1
                pieces.append(_Piece([node.token], place, row.base + node.first, node.many, (row, node, at)))
        for (row, node, at), logits in cache.read(pieces):
            row.learn(node, at, logits)
        rows = going


def _wave(cache: _Cache, row: _Row, most: int, width: int) -> list[tuple[Node, float]]:
    """As the row has it, of the first tree that has still something to say."""
    while not (wave := row.wave(most)) and row.later:
        row.turn()
        cache.forget(row.base, width, row.length)
    return wave
