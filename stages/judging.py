"""From answers to figures: each row judged once, metrics summed over rows, intervals by bootstrap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from stages.answers import Answer
from stages.base import Metric, fail
from stages.contract import Contract, Unreadable
from stages.rows import Row


@dataclass(frozen=True)
class Judged:
    """One row beside the answer that a system gave.

    gold: the row's output. said: the answer's value, or None when it cannot be read as one.
    valid: the delivered answer fits the contract. free_valid: so does what the model said before any grammar.
    field: where the label stands in a JSON answer that holds one; a label contract's answer is the label itself.
    """

    id: str
    gold: Any
    said: Any
    text: str
    valid: bool
    free_valid: bool
    field: str | None = None

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
    """A metric's value with a two-sided percentile bootstrap interval, and a one-sided lower bound for gates."""

    value: float
    low: float
    high: float
    bound: float


def judge(rows: Sequence[Row], answers: Iterable[Answer], contract: Contract) -> list[Judged]:
    """Pair rows and answers by id, in the order of the rows. Raises T370 when an answer is missing."""
    by_id = {answer.id: answer for answer in answers}
    missing = [row.id for row in rows if row.id not in by_id]
    if missing:
        raise fail(
            "T370", f"{len(missing)} rows have no prediction, {missing[0]} first", help="run `tunec build` again"
        )
    return [_judged(row, by_id[row.id], contract) for row in rows]


def _judged(row: Row, answer: Answer, contract: Contract) -> Judged:
    try:
        said = contract.read(answer.text)
        valid = not contract.errors(said)
    except Unreadable:
        said, valid = None, False
    free_valid = valid if answer.free == answer.text else contract.valid(answer.free)
    return Judged(row.id, row.output, said, answer.text, valid, free_valid, contract.label_field)


def measure(judged: Sequence[Judged], metric: Metric, *, confidence: float, resamples: int, seed: int = 0) -> Figure:
    """A metric with its interval. Rows are resampled with replacement, as weights on their counts.

    Source: Efron and Tibshirani 1993, the percentile bootstrap.
    """
    import numpy as np

    counts = np.asarray(metric.counts(judged), dtype=float)
    samples = metric.value(_weights(len(judged), resamples, seed) @ counts)
    tail = (1 - confidence) / 2
    low, high, bound = np.quantile(samples, [tail, 1 - tail, 1 - confidence])
    return Figure(float(metric.value(counts.sum(axis=0))), float(low), float(high), float(bound))


def difference(
    a: Sequence[Judged], b: Sequence[Judged], metric: Metric, *, confidence: float, resamples: int
) -> Figure:
    """a minus b on the same rows, resampled in pairs."""
    import numpy as np

    of_a, of_b = (np.asarray(metric.counts(j), dtype=float) for j in (a, b))
    weights = _weights(len(a), resamples, seed=0)
    samples = metric.value(weights @ of_a) - metric.value(weights @ of_b)
    tail = (1 - confidence) / 2
    low, high, bound = np.quantile(samples, [tail, 1 - tail, 1 - confidence])
    value = metric.value(of_a.sum(axis=0)) - metric.value(of_b.sum(axis=0))
    return Figure(float(value), float(low), float(high), float(bound))


def _weights(rows: int, resamples: int, seed: int) -> Any:
    """(resamples, rows) how often each row was drawn."""
    import numpy as np

    return np.random.default_rng(seed).multinomial(rows, np.full(rows, 1 / rows), size=resamples).astype(float)
