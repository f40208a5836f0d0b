"""What stands behind one system's figures: which label is taken for which, each class, calibration, each field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from stages.judging import Judged, Label
from stages.metrics.ece import BINS, bin_of
from stages.metrics.slot_f1 import slots

MOST_LABELS = 100  # in a confusion matrix; with more, pairs are listed alone
MOST_PAIRS = 20


def details(judged: Sequence[Judged], labels: Sequence[str]) -> dict[str, Any]:
    """{classes, confusion, confusable, calibration} where answers are labels; {fields} where they are objects.

    labels: those of the contract, in its order; none where answers hold no label.
    """
    found: dict[str, Any] = {}
    if labels:
        pairs = Counter(j.labels for j in judged)
        found["classes"] = [_class(label, pairs, len(judged)) for label in labels]
        if len(labels) <= MOST_LABELS:
            found["confusion"] = {
                gold: {str(s): n for (g, s), n in sorted(pairs.items(), key=str) if g == gold} for gold in labels
            }
        found["confusable"] = _confusable(pairs)
        if all(j.confidence is not None for j in judged):
            found["calibration"] = list(_calibration(judged))
    if any(isinstance(j.gold, dict) for j in judged):
        found["fields"] = _fields(judged)
    return found


def _class(label: str, pairs: Counter[tuple[Label, Label]], rows: int) -> dict[str, Any]:
    hits = pairs[label, label]
    expected = sum(n for (gold, _), n in pairs.items() if gold == label)
    said = sum(n for (_, answer), n in pairs.items() if answer == label)
    others = rows - expected
    return {
        "label": label,
        "rows": expected,
        "precision": hits / said if said else None,
        "recall": hits / expected if expected else None,
        "f1": 2 * hits / (said + expected) if said + expected else None,
        "false_positive_rate": (said - hits) / others if others else None,
        "false_negative_rate": 1 - hits / expected if expected else None,
    }


def _confusable(pairs: Counter[tuple[Label, Label]]) -> list[dict[str, Any]]:
    """Labels that are taken for one another, whichever way, the most frequent first."""
    both: Counter[tuple[str, str]] = Counter()
    for (gold, said), many in pairs.items():
        if gold != said:
            both[min(str(gold), str(said)), max(str(gold), str(said))] += many
    most = sorted(both.items(), key=lambda item: (-item[1], item[0]))[:MOST_PAIRS]
    return [{"labels": list(pair), "rows": many} for pair, many in most]


def _calibration(judged: Sequence[Judged]) -> Iterator[dict[str, float]]:
    """The reliability curve: of each bin of probability that has rows, its mean and how many were right."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for j in judged:
        confidence = j.confidence or 0.0
        bins.setdefault(bin_of(confidence), []).append((confidence, j.labels[0] == j.labels[1]))
    for place, held in sorted(bins.items()):
        mean, right = (sum(values) / len(held) for values in zip(*held, strict=True))
        yield {"low": place / BINS, "high": (place + 1) / BINS, "rows": len(held), "said": mean, "right": right}


def _fields(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each field's values."""
    sums: dict[str, Counter[str]] = {}
    for j in judged:
        gold, said = slots(j.gold), slots(j.said)
        for what, side in (("hits", gold & said), ("said", said), ("expected", gold)):
            for (name, _), many in side.items():
                sums.setdefault(name, Counter())[what] += many
    return [{"field": name, **_field(of)} for name, of in sorted(sums.items())]


def _field(of: Counter[str]) -> dict[str, Any]:
    both = of["said"] + of["expected"]
    return {
        "values": of["expected"],
        "precision": of["hits"] / of["said"] if of["said"] else None,
        "recall": of["hits"] / of["expected"] if of["expected"] else None,
        "f1": 2 * of["hits"] / both if both else None,
    }
