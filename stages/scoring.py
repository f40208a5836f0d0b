"""Figures of several systems on the same rows: what select does on dev and score on test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from stages.answers import read_answers
from stages.base import Key, Metric, Params, members
from stages.contract import Contract
from stages.judging import Judged, difference, judge, measure
from stages.rows import Row
from stages.schemas import kinds

ALWAYS = ("schema_validity", "free_validity")


class Yardstick(Params):
    """What is measured, and how surely."""

    primary: Annotated[str, Key("success_criteria.primary_metric")]
    others: Annotated[tuple[str, ...], Key("evaluation.metrics")]
    confidence: Annotated[float, Key("evaluation.confidence")]
    resamples: Annotated[int, Key("evaluation.resamples")]

    def metrics(self, contract: Contract) -> list[Metric]:
        """The primary metric first, then the others, then validity where the contract has any."""
        known = members("stages.metrics", "METRIC", Metric)
        names = dict.fromkeys([self.primary, *self.others, *ALWAYS])
        fitting = kinds(contract.type, contract.schema_)
        return [known[name] for name in names if fitting & set(known[name].fits)]


def judged(rows: Sequence[Row], predictions: Mapping[str, Path], contract: Contract) -> dict[str, list[Judged]]:
    """System -> its judged rows, in the order of the rows."""
    return {name: judge(rows, read_answers(path), contract) for name, path in predictions.items()}


def figures(of: Sequence[Judged], yardstick: Yardstick, contract: Contract) -> dict[str, dict[str, float]]:
    """Metric -> {value, low, high, bound}."""
    measured = partial(measure, of, confidence=yardstick.confidence, resamples=yardstick.resamples)
    return {metric.name: asdict(measured(metric)) for metric in yardstick.metrics(contract)}


def lead(a: Sequence[Judged], b: Sequence[Judged], yardstick: Yardstick, contract: Contract) -> dict[str, Any]:
    """How far a is ahead of b in the primary metric, resampled in pairs: {value, low, high, bound}."""
    primary = yardstick.metrics(contract)[0]
    return asdict(difference(a, b, primary, confidence=yardstick.confidence, resamples=yardstick.resamples))
