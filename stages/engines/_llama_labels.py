"""The likeliest of a few texts after each prompt, exactly, without scoring them all.

The texts' tokens make a tree. A text's log-probability only falls with every token, so the tree is searched best first:
the first whole text that is the best of all that is open is the likeliest, and what was never looked at cannot be it.
Several rows are decoded together, over a shared prefix; a row that turns to another branch takes its tokens back and
reads on from where the two part. Source: best-first search with an admissible bound (Hart, Nilsson and Raphael 1968).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from stages.engines._llama_native import Context, Logits, Model
from stages.engines._llama_slots import Reader, Slots, opened

OPEN = 0.01  # share of the probability that may be left unexplored when a label's own is told
MOST = 64  # branches that are looked at for that, beyond those that the answer needed


@dataclass
class Node:
    """A token after those above it. label: which text ends here; its own token is then the end of the answer."""

    tokens: tuple[int, ...]
    children: dict[int, Node] = field(default_factory=dict)
    label: int | None = None


@dataclass(frozen=True)
class Found:
    """label: the likeliest text's place. confidence: its probability among all texts, within OPEN. tokens: decoded."""

    index: int
    label: int
    confidence: float
    tokens: int


def tree(texts: Sequence[Sequence[int]], end: int) -> Node:
    """The texts' tokens, each with the end of the answer behind it. Of two alike the first counts."""
    root = Node(())
    for label, tokens in enumerate(texts):
        node = root
        for token in (*tokens, end):
            node = node.children.setdefault(token, Node((*node.tokens, token)))
        node.label = label if node.label is None else node.label
    return root


@dataclass
class _Row(Reader):
    """One row's search. length: of its prompt. node: what is read, whose log-probability is `at`. held: tokens of the
    branch in the cache. waiting: (minus log-probability, when it was found, node). said: the log-probabilities of whole
    texts so far.
    """

    index: int
    length: int
    node: Node
    at: float = 0.0
    held: tuple[int, ...] = ()
    waiting: list[tuple[float, int, Node]] = field(default_factory=list)
    said: dict[int, float] = field(default_factory=dict)
    best: int | None = None
    looked: int = 0
    counted: int = 0

    def learn(self, logits: Logits) -> None:
        """Put the children of the node that was read among those that wait."""
        highest = float(logits.max())
        total = highest + math.log(float(np.exp(logits - highest, dtype=np.float32).sum(dtype=np.float64)))
        for token, child in self.node.children.items():
            self.counted += 1
            heapq.heappush(self.waiting, (-(self.at + float(logits[token]) - total), self.counted, child))

    def next(self) -> Node | None:
        """The branch to read next; None when the answer, and how sure it is, are known."""
        while self.waiting:
            worse, _, node = self.waiting[0]
            if node.label is None and self.best is not None and (self.looked >= MOST or self._unknown() <= OPEN):
                return None
            heapq.heappop(self.waiting)
            if node.label is None:
                self.looked += self.best is not None
                self.at = -worse
                return node
            self.said[node.label] = -worse
            self.best = node.label if self.best is None else self.best
        return None

    def _unknown(self) -> float:
        """The share of what is open, of all that is known of."""
        open_ = [math.exp(-worse) for worse, _, node in self.waiting if node.label is None]
        return sum(open_) / max(self._all(), 1e-300)

    def _all(self) -> float:
        return sum(map(math.exp, self.said.values())) + sum(math.exp(-worse) for worse, _, _ in self.waiting)

    def found(self, tokens: int) -> Found:
        if self.best is None:
            raise RuntimeError("a tree of texts has no text")
        return Found(self.index, self.best, math.exp(self.said[self.best]) / max(self._all(), 1e-300), tokens)


def search(
    model: Model, prompts: Sequence[list[int]], root: Node, deepest: int, sequences: int, *, share: bool = True
) -> Iterator[Found]:
    """The likeliest text after each prompt, as soon as it is known. deepest: tokens of the longest text."""
    longest = max(map(len, prompts)) + deepest + 1
    with opened(model, prompts, longest, sequences, share=share) as slots:
        for index, prompt in enumerate(prompts):
            slots.wait(_Row(prompt[slots.prefix :], slots.prefix, index, len(prompt), root))
        while slots.busy():
            for row, logits in slots.step():
                yield from _advance(slots, row, logits)


def _advance(slots: Slots[_Row], row: _Row, logits: Logits) -> Iterator[Found]:
    row.learn(logits)
    node = row.next()
    if node is None:
        yield row.found(len(row.held))
        slots.leave(row.slot)
    else:
        _turn(slots.context, row, node)


def _turn(context: Context, row: _Row, node: Node) -> None:
    """Take back what the cache holds beyond the node's own branch, and read the rest of it."""
    same = 0
    while same < min(len(row.held), len(node.tokens) - 1) and row.held[same] == node.tokens[same]:
        same += 1
    if same < len(row.held):
        if not context.model.forgets_in_part:
            raise RuntimeError("a recurrent model cannot take tokens back; see LlamaCpp.label")
        context.forget(row.slot, row.length + same)
    row.node, row.held = node, node.tokens
    row.pending, row.position = list(node.tokens[same:]), row.length + same
