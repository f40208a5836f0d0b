"""From answers to figures: each row judged once, metrics summed over rows, intervals by bootstrap or Wilson."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from stages.answers import Answer
from stages.catalog import Metric
from stages.contract import Contract, Unreadable
from stages.counting import counted
from stages.diagnostics import fail
from stages.equality import same
from stages.metrics._share import share
from stages.resampling import Alike, Drawn, Ends, of_share, permuted, units
from stages.rows import Row
from stages.terms import NONE, Terms


class No(Enum):
    """What stands where a label would; no label of a contract is equal to it, whatever its name."""

    LABEL = "(no label)"
    ANSWER = "(unreadable)"

    def __str__(self) -> str:
        return self.value


Label = str | No


@dataclass(frozen=True)
class Judged:
    """One row beside the answer that a system gave.

    gold: the row's output. said: the answer's value, or None when it cannot be read as one.
    valid: the delivered answer fits the contract. free_valid: so does what it said before any grammar; None where
    nothing was said freely.
    field: where the label stands in a JSON answer that holds one; a label contract's answer is the label itself.
    read: whether the answer could be read at all. free: what was said before any grammar. confidence: the probability
    that the system gives its label, where it gives one. margin: how much likelier, in nats by the token, it finds the
    right answer than the row's wrong one, where it was asked. preferred: 1 where a judge prefers the answer to another,
    0 where not, 0.5 for a tie; None where none was asked. schema: the contract's.
    """

    id: str
    gold: Any
    said: Any
    text: str
    valid: bool
    free_valid: bool | None
    field: str | None = None
    read: bool = True
    free: str = ""
    finish: str = "stop"
    confidence: float | None = None
    margin: float | None = None
    preferred: float | None = None
    input: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    group: str | None = None
    schema: Any = None
    terms: Terms = NONE

    @property
    def right(self) -> bool:
        """Whether the whole answer is: one that cannot be read is not, even where `null` would be."""
        return self.read and same(self.gold, self.said)

    @property
    def labels(self) -> tuple[Label, Label]:
        """The label that was expected and the one that was said. No.LABEL: a field that is left out, or holds no text;
        No.ANSWER, which is never expected: the answer cannot be read."""
        return self._label(self.gold), self._label(self.said) if self.read else No.ANSWER

    def _label(self, value: Any) -> Label:
        if self.field is None:
            return str(value)
        label = value.get(self.field) if isinstance(value, dict) else None
        return label if isinstance(label, str) else No.LABEL


@dataclass(frozen=True)
class Figure:
    """A metric's value with a two-sided interval, and a one-sided bound for gates: the lower one, or the upper one of a
    metric that is better when lower. units: how many groups, and rows without one, count for it. alike: whether all of
    them say the same.
    """

    value: float
    low: float
    high: float
    bound: float
    units: int
    alike: bool = False

    def json(self) -> dict[str, Any]:
        """`alike` only where they are."""
        told = dataclasses.asdict(self)
        return told if self.alike else {name: one for name, one in told.items() if name != "alike"}


def judge(rows: Sequence[Row], answers: Iterable[Answer], contract: Contract, terms: Terms = NONE) -> list[Judged]:
    """Pair rows and answers by id, in the order of the rows. Raises T370 when an answer is missing."""
    by_id = {answer.id: answer for answer in answers}
    missing = [row.id for row in rows if row.id not in by_id]
    if missing:
        raise fail(
            "T370",
            f"{counted(len(missing), 'row', 'has', 'have')} no prediction, {missing[0]} first",
            help="run `tunec build` again",
        )
    return [_judged(row, by_id[row.id], contract, terms) for row in rows]


def _judged(row: Row, answer: Answer, contract: Contract, terms: Terms) -> Judged:
    try:
        said, read = contract.read(answer.text), True
        valid = not contract.errors(said)
    except Unreadable:
        said, read, valid = None, False, False
    free_valid = valid if answer.free == answer.text else None if answer.free is None else contract.valid(answer.free)
    return Judged(
        row.id,
        row.output,
        said,
        answer.text,
        valid,
        free_valid,
        contract.label_field,
        read,
        answer.free or "",
        answer.finish,
        answer.confidence,
        answer.margin,
        input=row.input,
        group=row.group,
        schema=contract.schema_,
        terms=terms,
    )


def measure(judged: Sequence[Judged], metric: Metric, *, confidence: float, resamples: int) -> Figure | None:
    """A metric with its interval; None where these answers hold nothing that it could measure.

    A share has Wilson's interval. Otherwise rows are resampled with replacement, as weights on their counts; rows of
    one group together.
    """
    found = _counts(metric, judged)
    if found is None:
        return None
    drawn, sums = _drawn(judged, metric, (metric.low, metric.high), found)
    ends = of_share(sums[0]) if _is_share(metric, found) else drawn.ends(resamples)
    return _figure(drawn, ends, confidence, lower=metric.lower)


def difference(
    a: Sequence[Judged], b: Sequence[Judged], metric: Metric, *, confidence: float, resamples: int
) -> Figure | None:
    """a minus b on the same rows, resampled in pairs; its bound is the lower one, whatever the metric."""
    of_a, of_b = _counts(metric, a), _counts(metric, b)
    if of_a is None or of_b is None:
        return None
    span = metric.high - metric.low
    drawn, _ = _drawn(a, metric, (-span, span), of_a, of_b)
    return _figure(drawn, drawn.ends(resamples), confidence, lower=False)


def by_chance(a: Sequence[Judged], b: Sequence[Judged], metric: Metric, *, resamples: int) -> float | None:
    """The two-sided p of a lead in this metric, were a and b the same: by giving each other's answers to some rows."""
    counts = _counts(metric, [*a, *b])  # together, for the columns of some metrics are what occurs in them
    if counts is None:
        return None
    of = units([j.group for j in a])
    return permuted(metric.value, of.sums(counts[: len(a)]), of.sums(counts[len(a) :]), resamples)


def _counts(metric: Metric, judged: Sequence[Judged]) -> Any:
    """(N, K); None where there is nothing to measure."""
    import numpy as np

    found = metric.counts(judged) if len(judged) else None
    return None if found is None else np.asarray(found, dtype=float)


def _drawn(
    judged: Sequence[Judged], metric: Metric, within: tuple[float, float], first: Any, *less: Any
) -> tuple[Drawn, list[Any]]:
    """The metric of the first counts, less that of the others, by what is drawn; and the sums of each unit."""
    import numpy as np

    of = units([j.group for j in judged])
    sums = [of.sums(counts) for counts in (first, *less)]

    def figure(weights: Any) -> Any:
        value, *others = (metric.value(weights @ one) for one in sums)
        return value - sum(others)

    counting = np.flatnonzero(np.hstack(sums).any(axis=1))
    return Drawn(figure, of.many, counting, *within), sums


def _is_share(metric: Metric, counts: Any) -> bool:
    """Whether a metric is rows that are right over rows."""
    import numpy as np

    return metric.value is share and bool(np.isin(counts, (0, 1)).all() and (counts[:, 0] <= counts[:, 1]).all())


def _figure(drawn: Drawn, ends: Ends, confidence: float, *, lower: bool) -> Figure:
    """units: at least one, so that a figure of nothing (no slot was expected, and none said) is hardly sure."""
    low, high = ends((1 - confidence) / 2)
    bound, units = ends(1 - confidence)[lower], max(1, len(drawn.counting))
    return Figure(drawn.value, low, high, bound, units, isinstance(ends, Alike))
