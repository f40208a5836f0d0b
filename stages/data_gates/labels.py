"""Labels that no model could learn: none to train on has them, or they are written in two ways."""

from __future__ import annotations

from collections.abc import Iterator

from stages.catalog import DataGate
from stages.corpus import TRAINABLE, Corpus, Finding
from stages.seen import Settings


def sift(corpus: Corpus, settings: Settings) -> Iterator[Finding]:
    """Every row of such a label; of two ways to write it, those of the rarer."""
    values, kept = corpus.values("label"), corpus.kept().tolist()
    learned = {values[place] for place in kept if corpus.ranks[place] >= TRAINABLE}
    counts: dict[str, dict[str, int]] = {}
    for place in kept:
        spelled = counts.setdefault(values[place].strip().casefold(), {})
        spelled[values[place]] = spelled.get(values[place], 0) + 1
    usual = {label: max(sorted(spelled), key=spelled.__getitem__) for label, spelled in counts.items()}
    for place in kept:
        label = values[place]
        if label and usual[label.strip().casefold()] != label:
            yield place, f"its label is {usual[label.strip().casefold()]} but for case or blanks", None
        elif label and learned and label not in learned:
            yield place, "no row to train on has its label", None


DATA_GATE = DataGate("labels", "every label can be learned", "warn", sift=sift)
