"""The likeliest of a few texts after each prompt, exactly, without scoring them all.

The texts' tokens make a tree. A text's log-probability only falls with every token, so the tree is searched best first:
the text that is likelier than all that is open is the likeliest, and what was never looked at cannot be it.
Branches of several rows stand side by side in one cache, each a sequence that begins as a copy of the one above it.
Copies share their cells, so a token is read once, and one decoding call takes branches of many rows.
Source: best-first search with an admissible bound (Hart, Nilsson and Raphael 1968).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from stages.engines._llama_native import SEQUENCES, Batch, Context, Logits, Model
from stages.engines._llama_slots import BATCH, CELLS
from stages.engines._prefix import shared_prefix

OPEN = 0.01  # share of the probability that may be left unexplored when a label's own is told
MOST = 8  # branches that are looked at for that, beyond those that the answer needed
WAVE = 32  # branches a decoding call: reading some dozens costs little more than reading one
LIKELY = 0.9  # branches are read together until they hold so much of what is open
TOGETHER = 16  # rows at once: more would leave each too few sequences to hold its branches in


@dataclass(eq=False)
class Node:
    """A token after those above it, the depth-th of its texts. ahead: tokens from it to the end of its shortest text.
    number: no two nodes have the same. label: which text ends here; its token is then the end of the answer.
    """

    token: int
    depth: int
    ahead: int
    number: int
    children: dict[int, Node] = field(default_factory=dict)
    label: int | None = None


def tree(texts: Sequence[Sequence[int]], end: int) -> Node:
    """The texts' tokens, each with the end of the answer behind it. No two texts may be alike."""
    root, number = Node(-1, 0, 1 + min(map(len, texts)), 0), 0
    for label, tokens in enumerate(texts):
        node = root
        for depth, token in enumerate((*tokens, end), start=1):
            number, ahead = number + 1, 1 + len(tokens) - depth
            node = node.children.setdefault(token, Node(token, depth, ahead, number))
            node.ahead = min(node.ahead, ahead)
        node.label = label
    return root


@dataclass(eq=False)
class Branch:
    """A node that a row came to, with its log-probability. unread: children that are still open. sequence: what holds
    it in the cache, or -1.
    """

    node: Node
    at: float
    above: Branch | None
    unread: int = 0
    sequence: int = -1


@dataclass(frozen=True)
class Found:
    """label: the likeliest text's place. confidence: its probability among all texts; what was not looked into is
    estimated.
    """

    index: int
    label: int
    confidence: float


class _Row:
    """One row's search."""

    def __init__(self, index: int, root: Node) -> None:
        self.index, self.root = index, Branch(root, 0.0, None)
        self._open: list[tuple[float, int, Branch]] = []  # a heap: the likeliest first, ties by the node's number
        self._said: dict[int, float] = {}  # the log-probabilities of whole texts
        self._kept: list[float] = []  # of each branch read, the log-share of it that the texts go on with
        self._looked = 0  # branches that were read for the confidence alone

    def learn(self, branch: Branch, logits: Logits) -> None:
        """What may follow a branch that was read."""
        highest = float(logits.max())
        total = highest + math.log(float(np.exp(logits - highest, dtype=np.float32).sum(dtype=np.float64)))
        sures = {token: branch.at + float(logits[token]) - total for token in branch.node.children}
        if branch.above:
            self._kept.append(_log_sum(sures.values()) - branch.at)
        for token, child in branch.node.children.items():
            sure = sures[token]
            if child.label is None:
                heapq.heappush(self._open, (-sure, child.number, Branch(child, sure, branch)))
                branch.unread += 1
            else:
                self._said[child.label] = sure

    def wave(self, most: int) -> list[Branch]:
        """The branches to read next; none when it is known what leads, and how surely."""
        least = max(self._said.values(), default=-math.inf)
        if known := not self._open or -self._open[0][0] <= least:
            if not self._open or self._looked >= MOST or self._shares()[1] <= OPEN:
                return []
            least, most = -math.inf, min(most, MOST - self._looked)
        taken = [heapq.heappop(self._open)]
        likeliest, held = taken[0][0], 1.0
        enough = LIKELY * (held + sum(math.exp(likeliest - worse) for worse, *_ in self._open))
        while self._open and len(taken) < most and held < enough and -self._open[0][0] > least:
            taken.append(heapq.heappop(self._open))
            held += math.exp(likeliest - taken[-1][0])
        self._looked += len(taken) if known else 0
        return [branch for *_, branch in taken]

    def found(self) -> Found:
        label = min(self._said, key=lambda label: (-self._said[label], label))
        return Found(self.index, label, self._shares()[0])

    def _shares(self) -> tuple[float, float]:
        """Of the likeliest text and of what is open, in the probability of all texts.

        A branch is likelier than the texts below it, for a model may go on with others. What is open is taken to lose
        with every token what those lost that were read: little where the model has learned the texts.
        """
        lost = sum(self._kept) / len(self._kept) if self._kept else 0.0
        open_ = _log_sum(branch.at + lost * branch.node.ahead for *_, branch in self._open)
        all_ = float(np.logaddexp(open_, _log_sum(self._said.values())))
        return math.exp(max(self._said.values()) - all_), math.exp(open_ - all_)


def _log_sum(values: Iterable[float]) -> float:
    return float(np.logaddexp.reduce([*values], initial=-math.inf))


class _Held:
    """What a cache holds of one row: its prompt in the first of its sequences, and in each other one a branch that the
    search may go on from. Where none is free the least likely branch is let go, and read again if it is come back to.
    """

    def __init__(self, context: Context, sequences: Sequence[int]) -> None:
        self._context, self._sequences = context, sequences
        self._free: list[int] = []
        self._branches: list[Branch] = []

    def begin(self, root: Branch) -> None:
        """Forget the row before. Sequence 0 has what the prompts of all rows share."""
        for sequence in self._sequences:
            self._context.forget(sequence)
        self._branches.clear()
        root.sequence, *self._free = self._sequences
        self._context.copy(0, root.sequence)

    def enter(self, branch: Branch) -> list[int]:
        """Give a branch a sequence. The tokens to read into it: its own, behind those above it that are not held."""
        if not self._free:
            self._let_go(min(self._branches, key=lambda held: held.at))
        tokens, above = [], branch
        while above.sequence < 0 and above.above:
            tokens.append(above.node.token)
            above = above.above
        branch.sequence = self._free.pop()
        self._context.copy(above.sequence, branch.sequence)
        return tokens[::-1]

    def learned(self, branch: Branch) -> None:
        """Keep a branch that was read as long as something below it is open."""
        if branch.above:
            self._branches.append(branch)
            branch.above.unread -= 1
            for one in (branch, branch.above):
                if not one.unread and one in self._branches:
                    self._let_go(one)

    def _let_go(self, branch: Branch) -> None:
        self._branches.remove(branch)
        self._context.forget(branch.sequence)
        self._free.append(branch.sequence)
        branch.sequence = -1


@dataclass(frozen=True)
class _Piece:
    """Tokens to read into a sequence, and who asks for what the last one foretells."""

    tokens: Sequence[int]
    position: int
    sequence: int
    asker: tuple[_Searched, Branch] | None = None


@dataclass(frozen=True)
class _Searched:
    """A row with what the cache holds of it. prompt: its tokens."""

    row: _Row
    held: _Held
    prompt: Sequence[int]

    def begun(self, shared: int) -> _Piece:
        """Its prompt, but for so many tokens that all share."""
        root = self.row.root
        self.held.begin(root)
        return _Piece(self.prompt[shared:], shared, root.sequence, (self, root))

    def gone_on(self, branch: Branch) -> _Piece:
        tokens = self.held.enter(branch)
        position = len(self.prompt) + branch.node.depth - len(tokens)
        return _Piece(tokens, position, branch.sequence, (self, branch))

    def learn(self, branch: Branch, logits: Logits) -> None:
        self.row.learn(branch, logits)
        self.held.learned(branch)


class _Reader:
    """Reads pieces in as few decoding calls as hold them."""

    def __init__(self, context: Context) -> None:
        self._context, self._batch = context, Batch(context.lib, BATCH)

    def read(self, pieces: Iterable[_Piece]) -> Iterator[tuple[_Searched, Branch, Logits]]:
        """Who asked for each, with the logits behind it, which last until the next is taken."""
        ended: list[tuple[_Searched, Branch, int]] = []
        for piece in pieces:
            begin = 0
            while begin < len(piece.tokens):
                if self._batch.size == BATCH:
                    yield from self._decoded(ended)
                some = piece.tokens[begin : begin + BATCH - self._batch.size]
                last = begin + len(some) == len(piece.tokens)
                place = self._batch.add(some, piece.position + begin, piece.sequence, logits=last)
                if last and piece.asker:
                    ended.append((*piece.asker, place))
                begin += len(some)
        yield from self._decoded(ended)

    def _decoded(self, ended: list[tuple[_Searched, Branch, int]]) -> Iterator[tuple[_Searched, Branch, Logits]]:
        if self._batch.size:
            self._context.decode(self._batch)
            self._batch.clear()
        for searched, branch, place in ended:
            yield searched, branch, self._context.logits(place)
        ended.clear()


def search(
    model: Model,
    prompts: Sequence[list[int]],
    texts: Sequence[Sequence[int]],
    end: int,
    *,
    sequences: int,
    share: bool = True,
) -> Iterator[Found]:
    """The likeliest text after each prompt, as soon as it is known, in no order. No two texts may be alike.

    end: the token that ends an answer, read behind each text. sequences: rows that are searched together. share:
    whether what all prompts begin with is read once.
    """
    shared = shared_prefix(prompts) if share else 0
    own = max(map(len, prompts)) - shared
    together = max(1, min(sequences, len(prompts), TOGETHER, (CELLS - shared) // own))
    each = min(1 + WAVE, (SEQUENCES - 1) // together)
    cells = shared + together * (own + each * max(map(len, texts)))
    with closing(Context(model, cells=cells, sequences=1 + together * each, batch=BATCH, unified=True)) as context:
        spare = [_Held(context, range(first, first + each)) for first in range(1, 1 + together * each, each)]
        reader, root = _Reader(context), tree(texts, end)
        list(reader.read([_Piece(prompts[0][:shared], 0, 0)]))
        waiting, going = iter(enumerate(prompts)), list[_Searched]()
        while True:
            most = min(each - 1, max(1, WAVE // max(1, len(going))))
            waves = [(one, one.row.wave(most)) for one in going]
            done = [one for one, wave in waves if not wave]
            yield from (one.row.found() for one in done)
            spare += [one.held for one in done]
            begun = [_Searched(_Row(n, root), spare.pop(), prompt) for n, prompt in islice(waiting, len(spare))]
            going = [one for one, wave in waves if wave] + begun
            if not going:
                return
            pieces = [one.gone_on(branch) for one, wave in waves for branch in wave]
            for one, branch, logits in reader.read(pieces + [one.begun(shared) for one in begun]):
                one.learn(branch, logits)
