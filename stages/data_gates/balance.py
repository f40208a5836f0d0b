"""Labels that teach nothing, or next to nothing: one alone, or one beside which the others are hardly seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from stages.catalog import DataGate
from stages.corpus import Corpus, Finding
from stages.seen import Settings

_RARE = 0.02  # share of the rows to train on, below which a label is hardly seen


def sift(corpus: Corpus, settings: Settings) -> Iterator[Finding]:
    """One row stands for each finding. Over rows whose contract has a label."""
    places = corpus.trainable().tolist()
    labels = corpus.values("label")
    counts = Counter(labels[place] for place in places)
    if not places or "" in counts:
        return
    if len(counts) == 1:
        yield places[0], "every row has the same label: there is nothing to learn", None
        return
    for label, count in sorted(counts.items()):
        if count < _RARE * len(places):
            place = next(place for place in places if labels[place] == label)
            yield (
                place,
                f"its label has {count} of {len(places)} rows: accuracy alone would not show that it is missed",
                None,
            )


DATA_GATE = DataGate("balance", "every label has rows enough to be learned", "warn", sift=sift, actions=("warn", "off"))
