"""Figures of several systems on the same rows: what select does on dev and score on test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from stages import own
from stages.answers import read_answers
from stages.base import Key, Params
from stages.catalog import Metric, members
from stages.contract import Contract
from stages.counting import counted
from stages.diagnostics import fail
from stages.judging import Judged, by_chance, difference, judge, measure
from stages.rows import Row
from stages.schemas import kinds
from stages.statistics import mcnemar
from stages.terms import NONE, Terms

ALWAYS = ("schema_validity", "free_validity")


class Yardstick(Params):
    """What is measured, and how surely."""

    primary: Annotated[str, Key("success_criteria.primary_metric")]
    others: Annotated[tuple[str, ...], Key("evaluation.metrics")]
    confidence: Annotated[float, Key("evaluation.confidence")]
    resamples: Annotated[int, Key("evaluation.resamples")]
    terms: Annotated[Terms | None, Key("evaluation.terms")] = None

    def metrics(self, contract: Contract) -> list[Metric]:
        """The primary metric first, then the others, then validity where the contract has any."""
        names = dict.fromkeys([self.primary, *self.others, *ALWAYS])
        fitting = kinds(contract.type, contract.schema_)
        return [one for one in map(metric_named, names) if not one.fits or fitting & set(one.fits)]


def metric_named(name: str) -> Metric:
    """One of ours, or one that the task brings."""
    return own.metric(name) if own.split(name) else members("stages.metrics", "METRIC", Metric)[name]


def judged(
    rows: Sequence[Row], predictions: Mapping[str, Path], contract: Contract, terms: Terms | None = None
) -> dict[str, list[Judged]]:
    """System -> its judged rows, in the order of the rows."""
    return {
        name: judge(rows, read_answers(path, contract.digest), contract, terms or NONE)
        for name, path in predictions.items()
    }


def figures(of: Sequence[Judged], yardstick: Yardstick, contract: Contract) -> dict[str, dict[str, float]]:
    """Metric -> {value, low, high, bound, units} (see stages.judging.Figure), of those that these answers let measure.

    Raises T706 when the primary metric is not among them.
    """
    sure = {"confidence": yardstick.confidence, "resamples": yardstick.resamples}
    found = {metric.name: measure(of, metric, **sure) for metric in yardstick.metrics(contract)}  # type: ignore[arg-type]
    if found[yardstick.primary] is None:
        message = f"the primary metric `{yardstick.primary}` has nothing to measure in {counted(len(of), 'answer')}"
        raise fail("T706", message, help="bring rows that it counts, or choose another success_criteria.primary_metric")
    return {name: figure.json() for name, figure in found.items() if figure is not None}


def lead(a: Sequence[Judged], b: Sequence[Judged], yardstick: Yardstick, contract: Contract) -> dict[str, Any]:
    """How far a is ahead of b in the primary metric, resampled in pairs: {value, low, high, bound, units}."""
    primary = yardstick.metrics(contract)[0]
    found = difference(a, b, primary, confidence=yardstick.confidence, resamples=yardstick.resamples)
    if found is None:
        raise RuntimeError("`figures` refuses a primary metric that measures nothing")
    return found.json()


def chance(a: Sequence[Judged], b: Sequence[Judged], yardstick: Yardstick, contract: Contract) -> float | None:
    """The p of that lead by a permutation test."""
    return by_chance(a, b, yardstick.metrics(contract)[0], resamples=yardstick.resamples)


def duel(a: Sequence[Judged], b: Sequence[Judged]) -> dict[str, Any]:
    """Rows that a alone has right whole and rows that b alone has, with McNemar's p: {won, lost, p}."""
    pairs = [(x.right, y.right) for x, y in zip(a, b, strict=True)]
    won, lost = sum(x and not y for x, y in pairs), sum(y and not x for x, y in pairs)
    return {"won": won, "lost": lost, "p": mcnemar(won, lost)}
