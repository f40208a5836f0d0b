"""The answer that is most frequent in the train split, whatever the input: what any model must beat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stages import progress
from stages.catalog import Baseline

if TYPE_CHECKING:  # the compiler looks at every baseline, and needs no more than its name and options
    from stages.answers import Answer
    from stages.baselines._ask import Question


def answer(question: Question) -> Iterator[Answer]:
    """Ties go to the text that sorts first."""
    from stages.answers import Answer

    seen = Counter(question.contract.write(row.output) for row in question.train())
    text = min(seen, key=lambda said: (-seen[said], said), default="")
    progress.tell(0, None, progress.READY)
    for row in question.rows:
        yield Answer(row.id, text, text, 0, "stop")


def allowed(options: object, fields: object) -> str | None:
    return None if options is True else "it takes no options; write true or false"


SETTLED = {"prompting": None, "decoding": None}
BASELINE = Baseline("majority", "the most frequent answer", answer, needs_train=True, settled=SETTLED, allowed=allowed)
