"""How many tokens a training reads, at most, before any tokenizer saw them: for `coach` and for `advise` alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from compiler.schema import canonical, expand, lowered
from stages.chat import Prompting
from stages.contract import Contract
from tunec.observing import Observed
from tunec.observing.observed import tokens

_MARKS = 32  # of a chat template, around a message and its answer
_UNSEEN = (224, 64)  # of a row with its answer, and of that answer, where no row can be looked at


@dataclass(frozen=True)
class Lengths:
    """Tokens. before: of what stands before every row, such as the contract in words. row: of the longest row with its
    answer. answer: of the longest one.
    """

    before: int
    row: int
    answer: int

    @property
    def longest(self) -> int:
        return self.before + self.row

    def step(self, batch: int, *, shared: bool) -> int:
        """That a step computes; what rows begin with alike it computes once, where that is shared."""
        return self.before + batch * self.row if shared else batch * self.longest

    def within(self, most: int) -> Lengths:
        """Where a row of more is refused."""
        return replace(self, row=max(1, min(self.row, most - self.before)))


def contract(form: str, schema: Any) -> Contract:
    """Of a task that is not compiled yet."""
    return Contract.model_validate({"type": lowered(form), "schema_": canonical(expand(schema, form))})


def lengths(prompting: Prompting, held: Contract, seen: Observed | None) -> Lengths:
    """held: the contract that answers are held to. seen: the rows; None where there are none."""
    row, answer = seen.tokens if seen else _UNSEEN
    return Lengths(tokens(prompting.system(held) or "") + _MARKS, row, answer)
