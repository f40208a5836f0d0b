"""What can be dropped into a folder of stages/ (a metric, a gate, a baseline, a method), and how it is found there.

Each is one module, named as its member is, and the member a constant of one of these types.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeVar

M = TypeVar("M")


class Metric(NamedTuple):
    """A figure over judged rows that a bootstrap can resample.

    counts: N judged rows -> float array (N, K), K counts a row, or None where these rows hold nothing to measure.
    value: summed counts (..., K) -> metric (...). fits: the contract types that it makes sense for.
    lower: it is better when lower, as a rate of errors is; such a metric cannot be the primary one.
    """

    name: str
    summary: str
    fits: tuple[str, ...]
    counts: Callable[[Sequence[Any]], Any]
    value: Callable[[Any], Any]
    low: float = 0.0
    high: float = 1.0
    lower: bool = False


class Baseline(NamedTuple):
    """Something that answers without being trained by us. `answer` is a generator of stages.answers.Answer.

    needs_model: it asks the base model; embeds: or reads its weights itself. needs_train: it looks at the train
    split. allowed: why these options are
    refused, or None; `fields` are the contract's. libraries: what it computes with, beside those that ask the base
    model. settled: parameters that it has whatever the task says: None for one that it does not read, so that it does
    not run again for another prompt when it has none. fits: the contract types that it can answer. files: the paths and
    patterns of the workspace that its options name, which it reads.
    """

    name: str
    summary: str
    answer: Callable[..., Iterator[Any]]
    needs_model: bool = False
    needs_train: bool = False
    embeds: bool = False
    libraries: tuple[str, ...] = ()
    settled: Mapping[str, Any] = MappingProxyType({})
    allowed: Callable[[Any, Sequence[str]], str | None] = lambda options, fields: None
    fits: tuple[str, ...] = ("json", "label", "text")
    files: Callable[[Any], tuple[str, ...]] = lambda options: ()


class Gate(NamedTuple):
    """A bound on the evidence. `judge(evidence, bound)` gives a stages.evidence.Outcome."""

    name: str
    summary: str
    judge: Callable[[Any, float], Any]


class DataGate(NamedTuple):
    """What a row must get past to reach training.

    action: what happens where the task says nothing; actions: what it may say in `data.gates`.
    look(seen, settings): the reasons against one stages.seen.Seen row. sift(corpus, settings): (place, reason, place of
    the other) of rows that only show beside others, in a stages.corpus.Corpus. A reason never holds what stood there.
    """

    name: str
    summary: str
    action: str
    look: Callable[[Any, Any], Iterator[str]] | None = None
    sift: Callable[[Any, Any], Iterator[tuple[int, str, int | None]]] | None = None
    actions: tuple[str, ...] = ("reject", "warn", "off")


Shape = Literal["answers", "pairs", "verdicts", "texts"]


class Method(NamedTuple):
    """A way to learn from rows. `prepare(lesson)` turns a stages.lessons.Lesson into a Prepared trainer.

    rows: what a row says beside its input: answers; pairs (a better and a worse answer); verdicts (an answer, and
    whether it is good); or texts, which have no input. Of the last two, rows that name no right answer are trained on
    only.
    keys: the keys of `training` that it reads and some other method does not. One that no method names is read by all.
    """

    name: str
    summary: str
    rows: Shape
    keys: tuple[str, ...]
    prepare: Callable[[Any], Any]


class Adapter(NamedTuple):
    """What of a model is trained. `load(located, device)` gives model and tokenizer, `add(model, params)` makes the
    model trainable, `write(model, folder)` writes what was trained, for stages.adapter to put on the base model, and
    `go_on(model, folder)` puts what was written into a trainable model.

    keys: as a Method's.
    """

    name: str
    summary: str
    keys: tuple[str, ...]
    load: Callable[..., tuple[Any, Any]]
    add: Callable[..., Any]
    write: Callable[..., None]
    go_on: Callable[..., None]


# The names of llama.cpp's quantizations that `quantization.formats` takes, smallest effect first.
QUANTIZATIONS = [
    "q8_0",
    "q6_k",
    "q5_k_m",
    "q5_k_s",
    "q5_1",
    "q5_0",
    "q4_k_m",
    "q4_k_s",
    "q4_1",
    "q4_0",
    "iq4_nl",
    "iq4_xs",
    "q3_k_l",
    "q3_k_m",
    "q3_k_s",
    "iq3_m",
    "iq3_s",
    "q2_k",
    "bf16",
    "q2_k_s",
    "iq3_xs",
    "iq3_xxs",
    "iq2_m",
    "iq2_s",
    "iq2_xs",
    "iq2_xxs",
    "iq1_m",
    "iq1_s",
    "tq2_0",
    "tq1_0",
]
# Of these, those that llama.cpp refuses without an importance matrix.
NEED_IMATRIX = ("q2_k_s", "iq2_s", "iq2_xs", "iq2_xxs", "iq1_m", "iq1_s")


class Members(Mapping[str, M]):
    """The members of a package by name, each module imported when it is asked for: a name costs nothing."""

    def __init__(self, package: str, constant: str, kind: type[M]) -> None:
        self._package, self._constant, self._kind = package, constant, kind
        self._folder = Path(str(importlib.import_module(package).__file__)).parent

    def __getitem__(self, name: str) -> M:
        if name not in self:
            raise KeyError(name)
        member = getattr(importlib.import_module(f"{self._package}.{name}"), self._constant)
        if not isinstance(member, self._kind) or member.name != name:  # type: ignore[attr-defined]
            raise RuntimeError(f"{self._package}.{name}.{self._constant} is no {self._kind.__name__} named {name!r}")
        return member

    def __contains__(self, name: object) -> bool:
        """Whether there is such a module, with a line `CONSTANT = ...`: its helpers need not be imported."""
        file = self._folder / f"{name}.py"
        return str(name).isidentifier() and file.is_file() and f"\n{self._constant} = " in file.read_text("utf-8")

    def __iter__(self) -> Iterator[str]:
        return (file.stem for file in sorted(self._folder.glob("*.py")) if file.stem in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def members(package: str, constant: str, kind: type[M]) -> Members[M]:
    """Every `constant` of type `kind` in the modules of a package, by its name, in alphabetical order.

    Dropping a module into the folder is all it takes to register it; the module is named as its member is.
    """
    return Members(package, constant, kind)
