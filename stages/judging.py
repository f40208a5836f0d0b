"""From answers to figures: each row judged once, metrics summed over rows, intervals by bootstrap or Wilson."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from stages.answers import Answer
from stages.catalog import Metric
from stages.contract import Contract, Unreadable
from stages.counting import counted
from stages.diagnostics import fail
from stages.equality import same
from stages.metrics._share import share
from stages.rows import Row
from stages.statistics import wilson
from stages.terms import NONE, Terms


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
    def labels(self) -> tuple[str, str]:
        """The label that was expected and the one that was said."""
        expected, said = (self._label(side) for side in (self.gold, self.said))
        return expected, said

    def _label(self, value: Any) -> str:
        if self.field is None:
            return str(value)
        return str(value.get(self.field)) if isinstance(value, dict) else str(None)


@dataclass(frozen=True)
class Figure:
    """A metric's value with a two-sided interval, and a one-sided bound for gates: the lower one, or the upper one of a
    metric that is better when lower. units: how many groups, and rows without one, count for it.
    """

    value: float
    low: float
    high: float
    bound: float
    units: int


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


def measure(
    judged: Sequence[Judged], metric: Metric, *, confidence: float, resamples: int, seed: int = 0
) -> Figure | None:
    """A metric with its interval; None where these answers hold nothing that it could measure.

    A plain share has Wilson's interval. Otherwise rows are resampled with replacement, as weights on their counts; rows
    of one group together. Source: Efron and Tibshirani 1993, the percentile bootstrap; Field and Welsh 2007, clusters.
    """
    import numpy as np

    found = metric.counts(judged)
    if found is None or not len(judged):
        return None
    counts = np.asarray(found, dtype=float)
    value, units = float(metric.value(counts.sum(axis=0))), _units(judged, counts)
    if _is_share(metric, counts, judged):
        hits, rows = counts.sum(axis=0)
        low, high = wilson(hits, rows, confidence)
        return Figure(value, low, high, wilson(hits, rows, 2 * confidence - 1)[metric.lower], units)
    samples = metric.value(_weights(judged, resamples, seed) @ counts)
    if value in (metric.low, metric.high) and np.nanmin(samples) == np.nanmax(samples):
        return _unanimous(value, metric, units, confidence)
    return _figure(value, samples, confidence, metric.lower, units)


def _unanimous(value: float, metric: Metric, units: int, confidence: float) -> Figure:
    """Where every row is wholly right, or wholly wrong, resampling sees no spread, however few they are: as a share of
    what tells by itself.
    """
    span = metric.high - metric.low
    hits = units * (value - metric.low) / span
    low, high = (metric.low + span * end for end in wilson(hits, units, confidence))
    bound = metric.low + span * wilson(hits, units, 2 * confidence - 1)[metric.lower]
    return Figure(value, low, high, bound, units)


def _units(judged: Sequence[Judged], counts: Any) -> int:
    """How many groups, and rows without one, count for a metric: so often it was asked. counts: (N, K), its own.

    At least one, so that a figure of nothing (no slot was expected, and none said) is hardly sure.
    """
    found = {unit for unit, some in zip(_units_of(judged), counts.any(axis=1), strict=True) if some}
    return max(1, len(found))


def _units_of(judged: Sequence[Judged]) -> list[str]:
    """What each row is drawn with: its group, or itself alone."""
    return [j.group if j.group is not None else f"\0{place}" for place, j in enumerate(judged)]


def _is_share(metric: Metric, counts: Any, judged: Sequence[Judged]) -> bool:
    """Whether a metric is rows that are right over rows, and the rows stand for themselves."""
    import numpy as np

    if metric.value is not share or any(j.group is not None for j in judged):
        return False
    return bool(np.isin(counts, (0, 1)).all() and (counts[:, 0] <= counts[:, 1]).all())


def difference(
    a: Sequence[Judged], b: Sequence[Judged], metric: Metric, *, confidence: float, resamples: int
) -> Figure | None:
    """a minus b on the same rows, resampled in pairs; its bound is the lower one, whatever the metric."""
    import numpy as np

    found = metric.counts(a), metric.counts(b)
    if any(counts is None for counts in found) or not len(a):
        return None
    of_a, of_b = (np.asarray(counts, dtype=float) for counts in found)
    weights = _weights(a, resamples, seed=0)
    samples = metric.value(weights @ of_a) - metric.value(weights @ of_b)
    value = metric.value(of_a.sum(axis=0)) - metric.value(of_b.sum(axis=0))
    return _figure(float(value), samples, confidence, lower=False, units=_units(a, np.hstack([of_a, of_b])))


def _figure(value: float, samples: Any, confidence: float, lower: bool, units: int) -> Figure:
    """Resamples in which no row counts say nothing, and are left out."""
    import numpy as np

    tail = (1 - confidence) / 2
    ends = [tail, 1 - tail, confidence if lower else 1 - confidence]
    low, high, bound = np.nanquantile(samples, ends)
    return Figure(value, float(low), float(high), float(bound), units)


def _weights(judged: Sequence[Judged], resamples: int, seed: int) -> Any:
    """(resamples, rows) how often each row was drawn: each for itself, or all rows of a group together."""
    import numpy as np

    names = _units_of(judged)
    grouped = {name: place for place, name in enumerate(dict.fromkeys(names))}
    many = len(grouped)
    drawn = _draws(many, resamples, seed)
    return drawn[:, np.array([grouped[name] for name in names])] if many < len(names) else drawn


@lru_cache(maxsize=2)
def _draws(many: int, resamples: int, seed: int) -> Any:
    """(resamples, many), the same for every metric and system on one split: made once."""
    import numpy as np

    drawn = np.random.default_rng(seed).multinomial(many, np.full(many, 1 / many), size=resamples).astype(float)
    drawn.flags.writeable = False
    return drawn
