"""Many prompts through one llama.cpp context: a shared prefix, slots that are refilled, a fork where a grammar bites.

One pass gives two answers. While the grammar accepts the most likely token, the free and the constrained answer are
the same sequence. At the first refusal the sequence forks: the constrained branch takes the best token that is
accepted, and the free branch waits for a slot, to be read again from its prompt on.

llama.cpp computes several sequences at once only where they have equally many tokens and numbers without a gap. So
rows are read apart from those that write, rows of like length together, and the slots in use are always the first.
"""

from __future__ import annotations

import codecs
from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal

from stages.engines._llama_native import Batch, Context, Grammar, Logits, Model
from stages.engines._prefix import shared_prefix

BATCH = 512  # tokens a decoding call
CELLS = 32_768  # tokens the cache may hold over all sequences, unless a single row needs more
REFILL = 4  # slots are refilled when one in so many is free: reading a few rows costs hardly more than reading one
Finish = Literal["stop", "length"]


@dataclass(frozen=True)
class Written:
    """A finished branch."""

    text: str
    tokens: int
    finish: Finish


@dataclass(frozen=True)
class Done:
    """A finished row: its constrained answer (the free one, where there is no grammar) and its free answer."""

    index: int
    text: Written
    free: Written


@dataclass
class Job:
    """One row on its way. prompt: token ids. limit: how many tokens its answer may have."""

    index: int
    prompt: list[int]
    limit: int
    text: Written | None = None
    free: Written | None = None


@dataclass
class Branch:
    """One sequence. pending: tokens not yet decoded, from `position` on. tokens: the answer so far.

    grammar: what holds this branch, if anything does. both: it stands for the free answer as well. slot: its sequence
    in the cache, or -1 while it waits. place: of its last token in the batch, or -1.
    """

    job: Job
    pending: list[int]
    position: int
    grammar: Grammar | None
    both: bool = True
    tokens: list[int] = field(default_factory=list)
    slot: int = -1
    place: int = -1


@dataclass(frozen=True)
class Request:
    """How to answer. hopeless: told a free text so far; once true it is not continued."""

    grammar: Grammar | None
    hopeless: Callable[[str], bool]
    sequences: int
    share: bool = True


def answer(model: Model, jobs: Sequence[Job], request: Request) -> Iterator[Done]:
    """Answer all jobs, greedily; each is given as soon as it is finished."""
    prefix = shared_prefix([job.prompt for job in jobs]) if request.share and model.forgets_in_part else 0
    cells = max(len(job.prompt) + job.limit for job in jobs)
    slots = max(1, min(request.sequences, len(jobs), CELLS // cells))
    with closing(Context(model, cells=cells, sequences=slots, batch=BATCH)) as context:
        run = _Run(context, request, prefix, slots)
        run.read_prefix(jobs[0].prompt[:prefix])
        for job in jobs:
            run.wait(Branch(job, job.prompt[prefix:], prefix, request.grammar))
        while run.busy():
            run.admit()
            run.decode()
            yield from run.advance()


class _Run:
    """The state of one `answer`: branches that wait, the longest prompt first, and those in the slots 0, 1, 2 …"""

    def __init__(self, context: Context, request: Request, prefix: int, slots: int) -> None:
        self.context, self.request, self.prefix, self.slots = context, request, prefix, slots
        self.waiting: list[Branch] = []
        self.active: list[Branch] = []
        self.batch = Batch(context.lib, BATCH)

    def busy(self) -> bool:
        return bool(self.waiting or self.active)

    def read_prefix(self, tokens: Sequence[int]) -> None:
        """Into every slot, where it stays."""
        for begin in range(0, len(tokens), BATCH):
            self.batch.clear()
            self.batch.add(tokens[begin : begin + BATCH], begin, 0, logits=False)
            self.context.decode(self.batch)
        for slot in range(1, self.slots if tokens else 0):
            self.context.copy(0, slot)

    def wait(self, branch: Branch) -> None:
        insort(self.waiting, branch, key=lambda waiting: -len(waiting.pending))

    def admit(self) -> None:
        free = self.slots - len(self.active)
        if self.active and free * REFILL < self.slots:
            return
        for _ in range(min(free, len(self.waiting))):
            branch = self.waiting.pop()
            branch.slot = len(self.active)
            branch.grammar = branch.grammar.fresh() if branch.grammar else None
            self.active.append(branch)

    def decode(self) -> None:
        """One call: for the branches that are read, as far as the batch reaches, or else for all that write."""
        self.batch.clear()
        for branch in [branch for branch in self.active if len(branch.pending) > 1] or self.active:
            tokens = branch.pending[: self.batch.room - self.batch.size]
            if not tokens:
                break
            done = len(tokens) == len(branch.pending)
            place = self.batch.add(tokens, branch.position, branch.slot, logits=done)
            branch.place = place if done else -1
            branch.position += len(tokens)
            del branch.pending[: len(tokens)]
        self.context.decode(self.batch)

    def advance(self) -> Iterator[Done]:
        """Choose the next token of every branch that was read to its end; gives the rows that this finishes."""
        for branch in [branch for branch in self.active if branch.place >= 0]:
            logits, branch.place = self.context.logits(branch.place), -1
            self._choose(branch, logits)
            job = branch.job
            if job.text and job.free:
                yield Done(job.index, job.text, job.free)

    def _choose(self, branch: Branch, logits: Logits) -> None:
        token = int(logits.argmax())
        if branch.grammar and not branch.grammar.accepts(token):
            if branch.both:
                self._fork(branch, token)
            held = branch.grammar.best(logits)
        else:
            held = token
        if held is None:
            self._finish(branch, "length")
        else:
            self._take(branch, held)

    def _fork(self, branch: Branch, token: int) -> None:
        """Let the free answer go its own way with `token`; `branch` is the constrained answer alone from here on."""
        branch.both = False
        free = Branch(branch.job, [], self.prefix, None, True, list(branch.tokens))
        if self._take(free, token):
            free.pending = [*branch.job.prompt[self.prefix :], *free.tokens]
            self.wait(free)

    def _take(self, branch: Branch, token: int) -> bool:
        """Append a token, or finish the branch; says whether it goes on."""
        if self.context.model.ends(token):
            self._finish(branch, "stop")
            return False
        branch.tokens.append(token)
        branch.pending = [token]
        if branch.grammar:
            branch.grammar.advance(token)
        # What a grammar has accepted so far is never hopeless, so only a free text is asked about.
        elif self.request.hopeless(self._text(branch.tokens, final=False)):
            self._finish(branch, "length")
            return False
        if len(branch.tokens) >= branch.job.limit:
            self._finish(branch, "length")
            return False
        return True

    def _finish(self, branch: Branch, finish: Finish) -> None:
        written = Written(self._text(branch.tokens, final=True), len(branch.tokens), finish)
        if branch.both:
            branch.job.free = written
        if branch.grammar or not self.request.grammar:
            branch.job.text = written
        if branch.grammar:
            branch.grammar.close()
        if branch.slot >= 0:
            self._leave(branch.slot)

    def _leave(self, slot: int) -> None:
        """Empty a slot down to the prefix; the last one in use moves into it, so that no gap is left."""
        last = self.active.pop()
        if last.slot != slot:
            self.context.copy(last.slot, slot)
            self.active[slot] = last
        self.context.forget(len(self.active), self.prefix)
        last.slot = slot

    def _text(self, tokens: Sequence[int], *, final: bool) -> str:
        """The text of tokens. A character may span tokens: while more may come, its first bytes are held back."""
        data = b"".join(map(self.context.model.piece, tokens))
        return codecs.getincrementaldecoder("utf-8")("replace").decode(data, final)
