"""`tunec advise --measure`: cheap models on growing parts of the rows, and what is to be expected of more of them.

Rows that the data names test, golden, adversarial or holdout are never looked at. What is measured is a linear model,
which is a floor for a tuned one and not a forecast of it; how the value grows with the rows is the task's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler import Compiled
from stages.counting import counted
from stages.shapes import SPLIT_COLUMN, SPLITS
from stages.templating import placeholders
from tunec.advising.curve import LEAST, Curve, Expected, measure
from tunec.observing import Observed
from tunec.observing.rows import rows

LINEAR = "linear"
MOST = 6_000  # rows that are learnt from; of more, so many are drawn
_KEPT_APART = ("test", "golden", "adversarial", "holdout")
_LABEL_METRICS = {"macro_f1": "macro_f1", "accuracy": "accuracy", "weighted_f1": "accuracy"}


@dataclass(frozen=True)
class Measured:
    """metric: what was measured. model: of which; a linear one, or the base model. majority: of always giving the
    commonest answer, where that was counted.

    all, twice: what all rows, and twice as many, lead to. needed: rows until the threshold: likely, at best, at worst.
    """

    metric: str
    model: str
    majority: float | None
    curve: Curve
    all: Expected
    twice: Expected
    threshold: float
    needed: tuple[int | None, int | None, int | None]

    def json(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "majority": self.majority,
            "model": self.model,
            **self.curve.json(),
            "all": vars(self.all),
            "twice": vars(self.twice),
            "threshold": self.threshold,
            "needed": dict(zip(("likely", "at_best", "at_worst"), self.needed, strict=True)),
        }


def measured(root: Path, compiled: Compiled, seen: Observed | None, rows: int) -> Measured | str:
    """The curve of this task's rows, or why there is none. rows: that the task trains on."""
    if seen is None or seen.columns.answer is None:
        return "there are no rows with answers to measure by"
    kind, metric = _kind(compiled, seen)
    if kind is None:
        form = compiled.task.output_format.type
        return f"no linear model writes answers of the form {form} that are not copied out of the input"
    texts, answers = _pairs(root, compiled, seen)
    if len(texts) < LEAST:
        return f"{counted(len(texts), 'row', 'is', 'are')} too few to learn from a part of them; {LEAST} are the least"
    if not rows:
        return "no row is left to train on"
    if kind == "label" and len(set(answers)) < 2:
        return "every row has the same answer"
    curve = measure(len(texts), _learner(kind, metric, texts, answers))
    majority = _majority(kind, metric, answers)
    return stated(metric, LINEAR, majority, curve, rows, compiled.task.success_criteria.threshold)


def stated(metric: str, model: str, majority: float | None, curve: Curve, rows: int, threshold: float) -> Measured:
    """What a curve says of all rows, of twice as many, and of the threshold."""
    return Measured(
        metric, model, majority, curve, curve.at(rows), curve.at(2 * rows), threshold, curve.needed(threshold)
    )


def _kind(compiled: Compiled, seen: Observed) -> tuple[str | None, str]:
    primary = compiled.task.success_criteria.primary_metric
    if seen.contract.type == "label":
        return "label", _LABEL_METRICS.get(primary, "macro_f1")
    if seen.contract.type == "json" and seen.copied >= 0.5:
        return "spans", "slot_f1"
    return None, primary


def _pairs(root: Path, compiled: Compiled, seen: Observed) -> tuple[list[str], list[Any]]:
    """(input, answer) of the rows that may be looked at, each once."""
    names = sorted(placeholders(compiled.task.input_template))
    kept: dict[str, Any] = {}
    apart = {name for name, split in SPLITS.items() if split in _KEPT_APART}
    for source in compiled.task.data.sources:
        files = [] if source.hub or source.role not in (None, "train", "dev") else Path(root).glob(source.path)
        named = sorted(file.relative_to(root).as_posix() for file in files if file.is_file())
        for row in rows(root, [name for name in named if name in seen.files]).fields:
            row = row | {new: row[old] for new, old in source.map.items() if old in row}
            answer = row.get(seen.columns.answer or "")
            if str(row.get(SPLIT_COLUMN)).strip().lower() not in apart and answer is not None:
                kept.setdefault("\n".join(str(row.get(name, "")) for name in names), answer)
    texts = _drawn(list(kept))
    return texts, [kept[text] for text in texts]


def _drawn(texts: list[str]) -> list[str]:
    from random import Random

    Random(0).shuffle(texts)  # noqa: S311 - a draw, no secret
    return texts[:MOST]


def _learner(kind: str, metric: str, texts: Sequence[str], answers: Sequence[Any]) -> Any:
    from tunec.advising.learners import labels, spans

    def learn(known: Sequence[int], asked: Sequence[int]) -> tuple[float, int]:
        given = (
            [texts[i] for i in known],
            [answers[i] for i in known],
            [texts[i] for i in asked],
            [answers[i] for i in asked],
        )
        return labels(*given, metric) if kind == "label" else spans(*given)

    return learn


def _majority(kind: str, metric: str, answers: Sequence[Any]) -> float:
    if kind != "label":
        return 0.0
    counts = Counter(map(str, answers))
    share = counts.most_common(1)[0][1] / counts.total()
    return round(share if metric == "accuracy" else 2 * share / (1 + share) / len(counts), 4)


def reaches(found: Measured) -> bool | None:
    """What the rules are told: whether all rows surely lead to the threshold, or surely do not; None in between."""
    return True if found.all.low >= found.threshold else False if found.all.high < found.threshold else None
