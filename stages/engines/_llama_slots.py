"""The sequences of one llama.cpp context: a shared prefix in each, readers that come and go, and one batch for all.

llama.cpp computes several sequences at once only where they have equally many tokens and numbers without a gap. So
readers that still read are decoded apart from those that go on token by token, prompts of like length stand together,
and the slots in use are always the first.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from stages.engines._llama_native import Batch, Context, Logits, Model
from stages.engines._prefix import shared_prefix

BATCH = 512  # tokens a decoding call
CELLS = 32_768  # tokens the cache may hold over all sequences, unless a single reader needs more
REFILL = 4  # slots are refilled when one in so many is free: reading a few rows costs hardly more than reading one


@dataclass
class Reader:
    """What is read in one sequence. pending: tokens not yet decoded, from `position` on. slot: its sequence in the
    cache, or -1 while it waits. place: of its last token in the batch, or -1.
    """

    pending: list[int]
    position: int
    slot: int = field(default=-1, kw_only=True)
    place: int = field(default=-1, kw_only=True)


R = TypeVar("R", bound=Reader)


class Slots(Generic[R]):
    """Readers that wait, the longest first, and those in the slots 0, 1, 2 …"""

    def __init__(self, context: Context, prefix: Sequence[int], count: int) -> None:
        self.context, self.prefix, self.count = context, len(prefix), count
        self.waiting: list[R] = []
        self.active: list[R] = []
        self.batch = Batch(context.lib, BATCH)
        self._read(prefix)

    def _read(self, prefix: Sequence[int]) -> None:
        """Into every slot, where it stays."""
        for begin in range(0, len(prefix), BATCH):
            self.batch.clear()
            self.batch.add(prefix[begin : begin + BATCH], begin, 0, logits=False)
            self.context.decode(self.batch)
        for slot in range(1, self.count if prefix else 0):
            self.context.copy(0, slot)

    def busy(self) -> bool:
        return bool(self.waiting or self.active)

    def wait(self, reader: R) -> None:
        insort(self.waiting, reader, key=lambda waiting: -len(waiting.pending))

    def step(self) -> Iterator[tuple[R, Logits]]:
        """One decoding call; gives each reader that has read all that it had, with the logits of its last token."""
        self._admit()
        self._decode()
        for reader in [reader for reader in self.active if reader.place >= 0]:
            logits, reader.place = self.context.logits(reader.place), -1
            yield reader, logits

    def _admit(self) -> None:
        free = self.count - len(self.active)
        if self.active and free * REFILL < self.count:
            return
        for _ in range(min(free, len(self.waiting))):
            reader = self.waiting.pop()
            reader.slot = len(self.active)
            self.active.append(reader)

    def _decode(self) -> None:
        """For those that read, as far as the batch reaches, or else one token of all."""
        self.batch.clear()
        for reader in [reader for reader in self.active if len(reader.pending) > 1] or self.active:
            tokens = reader.pending[: self.batch.room - self.batch.size]
            if not tokens:
                break
            done = len(tokens) == len(reader.pending)
            place = self.batch.add(tokens, reader.position, reader.slot, logits=done)
            reader.place = place if done else -1
            reader.position += len(tokens)
            del reader.pending[: len(tokens)]
        self.context.decode(self.batch)

    def leave(self, slot: int) -> None:
        """Empty a slot down to the prefix; the last one in use moves into it, so that no gap is left."""
        last = self.active.pop()
        if last.slot != slot:
            self.context.copy(last.slot, slot)
            self.active[slot] = last
        self.context.forget(len(self.active), self.prefix)
        last.slot = slot


@contextmanager
def opened(
    model: Model, prompts: Sequence[list[int]], longest: int, sequences: int, *, share: bool
) -> Iterator[Slots[Any]]:
    """Slots for these prompts, whose common beginning is read once. longest: tokens that one of them needs in all."""
    prefix = shared_prefix(prompts) if share and model.forgets_in_part else 0
    count = max(1, min(sequences, len(prompts), CELLS // longest))
    with closing(Context(model, cells=longest, sequences=count, batch=BATCH)) as context:
        yield Slots(context, prompts[0][:prefix], count)
