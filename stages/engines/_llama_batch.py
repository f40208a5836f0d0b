"""Many prompts through one llama.cpp context: a shared prefix, slots that are refilled, a fork where a grammar bites.

One pass gives two answers. While the grammar accepts the most likely token, the free and the constrained answer are
the same sequence. At the first refusal the sequence forks: the constrained branch takes the best token that is
accepted, and the free branch waits with a copy of the cache (shared cells, no computing) until a slot is free.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal

from stages.engines._llama_native import Batch, Context, Grammar, Logits, Model
from stages.engines._prefix import shared_prefix

BATCH = 512  # tokens a decoding call
CELLS = 32_768  # tokens the cache may hold, unless a single row needs more
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
    """One sequence in the cache. pending: tokens not yet decoded, from `position` on. tokens: the answer so far.

    grammar: what holds this branch, if anything does. both: it stands for the free answer as well.
    """

    job: Job
    sequence: int
    pending: list[int]
    position: int
    grammar: Grammar | None
    both: bool = True
    tokens: list[int] = field(default_factory=list)
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
    prefix = shared_prefix([job.prompt for job in jobs]) if request.share else 0
    branches = 2 if request.grammar else 1
    costs = {job.index: len(job.prompt) - prefix + branches * job.limit for job in jobs}
    largest = max(costs.values())
    cells = prefix + max(largest, min(request.sequences * largest, CELLS)) + BATCH // 2
    with closing(Context(model, cells=cells, sequences=branches * request.sequences + 1, batch=BATCH)) as context:
        run = _Run(context, request, prefix, deque(jobs), costs, cells - BATCH // 2 - prefix)
        run.read_prefix(jobs[0].prompt[:prefix])
        while run.busy():
            run.admit()
            run.decode()
            yield from run.advance()


class _Run:
    """The state of one `answer`: rows that wait, branches that decode, free branches that are parked."""

    def __init__(
        self, context: Context, request: Request, prefix: int, waiting: deque[Job], costs: dict[int, int], cells: int
    ) -> None:
        self.context, self.request, self.prefix = context, request, prefix
        self.waiting, self.costs, self.cells = waiting, costs, cells
        self.parked: deque[Branch] = deque()
        self.active: list[Branch] = []
        self.spare = list(range((2 if request.grammar else 1) * request.sequences, 0, -1))  # 0 holds the prefix
        self.batch = Batch(context.lib, BATCH)

    def busy(self) -> bool:
        return bool(self.waiting or self.parked or self.active)

    def read_prefix(self, tokens: Sequence[int]) -> None:
        for begin in range(0, len(tokens), BATCH):
            self.batch.clear()
            self.batch.add(tokens[begin : begin + BATCH], begin, 0, logits=False)
            self.context.decode(self.batch)

    def admit(self) -> None:
        """Fill free slots: parked branches first, for their cells are taken; then new rows, if their cells are left."""
        while len(self.active) < self.request.sequences:
            if self.parked:
                self.active.append(self.parked.popleft())
            elif self.waiting and self.costs[self.waiting[0].index] <= self.cells:
                self.active.append(self._begin(self.waiting.popleft()))
            else:
                return

    def _begin(self, job: Job) -> Branch:
        self.cells -= self.costs[job.index]
        sequence = self.spare.pop()
        if self.prefix:
            self.context.copy(0, sequence)
        grammar = self.request.grammar.fresh() if self.request.grammar else None
        return Branch(job, sequence, list(job.prompt[self.prefix :]), self.prefix, grammar)

    def decode(self) -> None:
        """One call for everything that is pending, as far as the batch reaches; one-token branches go first."""
        self.batch.clear()
        for branch in sorted(self.active, key=lambda b: len(b.pending)):
            tokens = branch.pending[: self.batch.room - self.batch.size]
            branch.place = -1
            if not tokens:
                continue
            done = len(tokens) == len(branch.pending)
            place = self.batch.add(tokens, branch.position, branch.sequence, logits=done)
            branch.place = place if done else -1
            branch.position += len(tokens)
            del branch.pending[: len(tokens)]
        self.context.decode(self.batch)

    def advance(self) -> Iterator[Done]:
        """Choose the next token of every branch that was read to its end; gives the rows that this finishes."""
        for branch in list(self.active):
            if branch.place < 0:
                continue
            self._choose(branch, self.context.logits(branch.place))
            job = branch.job
            if job.text and job.free:
                self.cells += self.costs[job.index]
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
        free = Branch(branch.job, -1, [], branch.position, None, True, list(branch.tokens))
        if not self._take(free, token):
            return
        free.sequence = self.spare.pop()
        self.context.copy(branch.sequence, free.sequence)
        self.parked.append(free)

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
        if branch.sequence >= 0:
            self.active.remove(branch)
            self.context.forget(branch.sequence)
            self.spare.append(branch.sequence)

    def _text(self, tokens: Sequence[int], *, final: bool) -> str:
        """The text of tokens. A character may span tokens: while more may come, its first bytes are held back."""
        data = b"".join(map(self.context.model.piece, tokens))
        return codecs.getincrementaldecoder("utf-8")("replace").decode(data, final)
