"""Many prompts through one llama.cpp context: a shared prefix, slots that are refilled, a fork where a grammar bites.

One pass gives two answers. While the grammar accepts the most likely token, the free and the constrained answer are
the same sequence. At the first refusal the sequence forks: the constrained branch takes the best token that is
accepted, and the free branch waits for a slot, to be read again from its prompt on.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from stages.engines._llama_native import Grammar, Logits, Model
from stages.engines._llama_slots import Reader, Slots, opened

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
class Branch(Reader):
    """One sequence of a job. held: by the grammar, whose state stands in `grammar` from the first token on. both: it
    stands for the free answer as well. tokens: the answer so far.
    """

    job: Job
    held: bool
    both: bool = True
    tokens: list[int] = field(default_factory=list)
    grammar: Grammar | None = None


@dataclass(frozen=True)
class Request:
    """How to answer. hopeless: told a free text so far; once true it is not continued."""

    grammar: Grammar | None
    hopeless: Callable[[str], bool]
    sequences: int
    share: bool = True


def answer(model: Model, jobs: Sequence[Job], request: Request) -> Iterator[Done]:
    """Answer all jobs, greedily; each is given as soon as it is finished."""
    prompts = [job.prompt for job in jobs]
    longest = max(len(job.prompt) + job.limit for job in jobs)
    with opened(model, prompts, longest, request.sequences, share=request.share) as slots:
        run = _Run(model, request, slots)
        for job in jobs:
            slots.wait(Branch(job.prompt[slots.prefix :], slots.prefix, job, bool(request.grammar)))
        while slots.busy():
            for branch, logits in slots.step():
                yield from run.advance(branch, logits)


class _Run:
    """What one `answer` does with the branches in its slots."""

    def __init__(self, model: Model, request: Request, slots: Slots[Branch]) -> None:
        self.model, self.request, self.slots = model, request, slots

    def advance(self, branch: Branch, logits: Logits) -> Iterator[Done]:
        """Choose the next token of a branch; gives its row, if that finishes it."""
        if branch.held and branch.grammar is None and self.request.grammar:
            branch.grammar = self.request.grammar.fresh()
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
        free = Branch([], self.slots.prefix, branch.job, held=False, tokens=list(branch.tokens))
        if self._take(free, token):
            free.pending = [*branch.job.prompt[self.slots.prefix :], *free.tokens]
            self.slots.wait(free)

    def _take(self, branch: Branch, token: int) -> bool:
        """Append a token, or finish the branch; says whether it goes on."""
        if self.model.ends(token):
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
        if branch.held or not self.request.grammar:
            branch.job.text = written
        if branch.grammar:
            branch.grammar.close()
        if branch.slot >= 0:
            self.slots.leave(branch.slot)

    def _text(self, tokens: Sequence[int], *, final: bool) -> str:
        """The text of tokens. A character may span tokens: while more may come, its first bytes are held back."""
        data = b"".join(map(self.model.piece, tokens))
        return codecs.getincrementaldecoder("utf-8")("replace").decode(data, final)
