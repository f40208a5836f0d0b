"""What a sweep tells: which files are worth looking at, which keys mattered, and the smallest file within noise of the
best. All on dev: the test split has no part in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean
from typing import Any

FORMATS = "quantization.formats"
_ALIKE = 1.01  # sizes within one part in a hundred are one size: names and notes inside a file differ as well


@dataclass(frozen=True)
class Trial:
    """One file of a sweep. values: swept key -> value, its format among them; quality: {value, low, high} of the
    primary metric on dev; bytes and rows_per_second: None where they are not known; pace: the low and the high end of
    its interval.
    """

    name: str
    variant: str
    values: Mapping[str, Any]
    quality: Mapping[str, float]
    bytes: int | None
    rows_per_second: float | None
    pace: tuple[float, float] | None = None


def standard_error(figure: Mapping[str, float], confidence: float) -> float:
    """Of a figure whose interval, at this two-sided confidence, is taken for that of a normal distribution."""
    return (figure["high"] - figure["low"]) / (2 * NormalDist().inv_cdf((1 + confidence) / 2))


def within_noise(figures: Mapping[str, Mapping[str, float]], confidence: float) -> set[str]:
    """The names whose value is at most one standard error below the best one's.

    Source: Breiman et al. 1984, Classification and Regression Trees, section 3.4.3 (the 1 SE rule).
    """
    if not figures:
        return set()
    best = max(figures.values(), key=lambda figure: figure["value"])
    least = best["value"] - standard_error(best, confidence)
    return {name for name, figure in figures.items() if figure["value"] >= least}


def smallest(sizes: Mapping[str, int], values: Mapping[str, float]) -> str:
    """The smallest file; of those as small, the best, and the first by name."""
    least = min(sizes.values())
    near = [name for name, size in sizes.items() if size <= least * _ALIKE]
    return min(near, key=lambda name: (-values[name], name))


def modest(trials: Iterable[Trial], confidence: float) -> str | None:
    """The smallest file of a sweep within noise of the best; None where no size is known."""
    known = {trial.name: trial for trial in trials}
    near = within_noise({name: trial.quality for name, trial in known.items()}, confidence)
    sizes = {name: size for name in sorted(near) if (size := known[name].bytes) is not None}
    return smallest(sizes, {name: known[name].quality["value"] for name in sizes}) if sizes else None


def front(trials: Sequence[Trial]) -> list[str]:
    """The Pareto front of quality, size and speed: those that no other beats in one and equals in the rest."""
    return [one.name for one in trials if not any(_dominates(other, one) for other in trials)]


def _dominates(a: Trial, b: Trial) -> bool:
    pairs = list(zip(_merits(a), _merits(b), strict=True))
    return all(left >= right for left, right in pairs) and any(left > right for left, right in pairs)


def _merits(trial: Trial) -> tuple[float, float, float]:
    """What is better when it is more."""
    size = float("inf") if trial.bytes is None else trial.bytes
    return trial.quality["value"], -size, trial.rows_per_second or 0.0


def importance(trials: Sequence[Trial]) -> dict[str, float]:
    """Swept key -> the share of the variance of quality that its values explain alone, the greatest first.

    Of a whole grid these are the main effects of its analysis of variance; what they leave of 1 is what keys do
    together. Source: Hutter, Hoos and Leyton-Brown 2014, functional ANOVA.
    """
    keys = sorted({key for trial in trials for key in trial.values})
    quality = [trial.quality["value"] for trial in trials]
    total = _scatter(quality)
    found = {key: _between(trials, key) / total if total else 0.0 for key in keys}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _between(trials: Sequence[Trial], key: str) -> float:
    """The scatter of the means of a key's values around the mean of all, by how many trials have each."""
    groups: dict[str, list[float]] = {}
    for trial in trials:
        groups.setdefault(repr(trial.values.get(key)), []).append(trial.quality["value"])
    mean = fmean(trial.quality["value"] for trial in trials)
    return sum(len(values) * (fmean(values) - mean) ** 2 for values in groups.values())


def _scatter(values: Sequence[float]) -> float:
    mean = fmean(values) if values else 0.0
    scatter = sum((value - mean) ** 2 for value in values)
    return scatter if scatter > 1e-12 else 0.0


def told(trials: Sequence[Trial], confidence: float) -> dict[str, Any]:
    """All of it as plain data, the best first: {trials, importance}."""
    best_first = sorted(trials, key=lambda trial: (-trial.quality["value"], trial.bytes or 0, trial.name))
    near = within_noise({trial.name: trial.quality for trial in trials}, confidence)
    ahead, modest_one = set(front(trials)), modest(trials, confidence)
    listed = [
        {
            "name": trial.name,
            "variant": trial.variant,
            "values": dict(trial.values),
            "quality": dict(trial.quality),
            "bytes": trial.bytes,
            "rows_per_second": trial.rows_per_second,
            "pace": list(trial.pace) if trial.pace else None,
            "pareto": trial.name in ahead,
            "within_noise": trial.name in near,
            "smallest_within_noise": trial.name == modest_one,
        }
        for trial in best_first
    ]
    return {"trials": listed, "importance": importance(trials)}
