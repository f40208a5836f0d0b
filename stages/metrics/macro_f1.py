"""F1 averaged over labels, each weighing the same; agrees with scikit-learn's f1_score(average="macro")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stages.catalog import Metric

if TYPE_CHECKING:  # the compiler looks at every metric, and needs no more than its name and range
    from stages.judging import Judged


def counts(judged: Sequence[Judged]) -> Any:
    """(N, 3 * L): for each of the L labels that occur, hit, said and expected."""
    import numpy as np

    labels = sorted(
        {label for j in judged for label in j.labels}, key=lambda label: (not isinstance(label, str), str(label))
    )
    index = {label: i for i, label in enumerate(labels)}
    found = np.zeros((len(judged), 3, len(labels)))
    for row, j in enumerate(judged):
        gold, said = (index[label] for label in j.labels)
        found[row, 1, said] += 1
        found[row, 2, gold] += 1
        found[row, 0, gold] += gold == said
    return found.reshape(len(judged), -1)


def value(sums: Any) -> Any:
    """Mean over the labels that were said or expected in this sample."""
    import numpy as np

    hits, said, expected = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
    both = said + expected
    f1 = np.where(both > 0, 2 * hits / np.where(both > 0, both, 1), 0.0)
    present = (both > 0).sum(axis=-1)
    return f1.sum(axis=-1) / np.where(present > 0, present, 1)


METRIC = Metric("macro_f1", "F1 averaged over labels", ("label",), counts, value)
