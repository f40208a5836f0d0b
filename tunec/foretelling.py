"""What the rows tell of a build that was not made yet: the tokens that a request and a training will take, about.

No tokenizer is loaded. A token is taken for four characters, and said to be of two and a half (as in the prompts of our
own example, by a small vocabulary) to five; a Chinese, Japanese or Korean sign for one token, and said to be of half to
one and a half. Every figure is an assumption, with both ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import mean

from compiler import Compiled
from stages.base import READ
from stages.chat import user_message
from stages.cost import CHARACTERS, CostParams
from stages.counting import counted
from stages.data import DataParams
from stages.diagnostics import UserError
from stages.making import Rejected, named, to_row
from stages.readers import read
from stages.rows import Row
from stages.sums import Figure
from stages.templating import placeholders
from tunec.advising.parting import ToTrain, to_train
from tunec.observing.of_task import of_task

_LOOKED = 1_000  # rows of a file that are looked at
_MARKS = 16  # tokens of a chat template around a prompt
_SIGN = 1.0  # tokens of a Chinese, Japanese or Korean sign
_FEWEST, _MOST = 2.5, 5.0  # characters of a token
_SIGN_LOW, _SIGN_HIGH = 0.5, 1.5


@dataclass(frozen=True)
class _Tokens:
    """In the mean of some texts: likely, and between which it lies."""

    value: float
    low: float
    high: float

    def figure(self, why: str) -> Figure:
        return Figure(self.value, "assumed", why, self.low, self.high)

    def __add__(self, other: _Tokens) -> _Tokens:
        return _Tokens(self.value + other.value, self.low + other.low, self.high + other.high)

    def __mul__(self, many: float) -> _Tokens:
        return _Tokens(self.value * many, self.low * many, self.high * many)


def foretold(root: Path, compiled: Compiled, params: CostParams) -> dict[str, Figure]:
    """The tokens of a request, prompted and tuned, of its answer, and of a training; nothing without rows, and of what
    no row shows.
    """
    try:
        found = list(_rows(root, compiled))
        seen = of_task(root, compiled)
        return dict(_figures(found, to_train(root, compiled, seen), compiled, params)) if found and seen else {}
    except UserError:
        return {}


def _figures(
    rows: Sequence[Row], parted: ToTrain, compiled: Compiled, params: CostParams
) -> Iterator[tuple[str, Figure]]:
    contract, first = params.contract, params.prompting.of(compiled.variants[0].slug)
    texts, asking = [row.text for row in rows if row.text is not None], [row for row in rows if row.text is None]
    why = f"{counted(len(rows), 'row')} at {CHARACTERS:g} characters a token, or {_FEWEST:g} to {_MOST:g}"
    if texts:  # they alone are trained on
        yield "training_tokens", _read(compiled, parted, _tokens(texts))
    if not asking:
        return
    asked = _tokens([user_message(first.input_template, row.input) for row in asking]) + _Tokens(_MARKS, _MARKS, _MARKS)
    tuned = asked + _tokens([first.system(contract) or ""])
    prompted = asked + _tokens([first.model_copy(update={"mode": "contract"}).system(contract) or ""])
    yield from (("prompted_tokens", prompted.figure(why)), ("tuned_tokens", tuned.figure(why)))
    if answers := [contract.write(row.output) for row in asking if row.answered]:
        said = _tokens(answers)
        yield "output_tokens", said.figure(why)
        if not texts:
            yield "training_tokens", _read(compiled, parted, tuned + said)


def _read(compiled: Compiled, parted: ToTrain, row: _Tokens) -> Figure:
    """What a training reads: so many rows, so many times."""
    epochs = float(compiled.variants[0].values["training"]["epochs"])
    return (row * (parted.rows * epochs)).figure(f"{counted(parted.rows, 'row')} to train on, {epochs:g} times")


def _tokens(texts: Sequence[str]) -> _Tokens:
    signs = mean(sum(sign > "\u2e7f" for sign in text) for text in texts)
    letters = mean(map(len, texts)) - signs
    ends = ((CHARACTERS, _SIGN), (_MOST, _SIGN_LOW), (_FEWEST, _SIGN_HIGH))
    return _Tokens(*(letters / characters + signs * sign for characters, sign in ends))


def _rows(root: Path, compiled: Compiled) -> Iterator[Row]:
    """The first rows of each file, as the stage `data` makes them. Raises T302."""
    given = compiled.plan["data"].params
    params = DataParams(**{key: value for key, value in given.items() if key != READ})
    wanted = tuple(sorted(placeholders(params.making.input_template)))
    for source in params.sources:
        for file in source.files:
            for record in islice(read(root / file, source.format, source.encoding), _LOOKED):
                try:
                    if record.fields is not None:
                        yield to_row(named(record.fields, source), source, params.making, wanted)
                except Rejected:
                    continue
