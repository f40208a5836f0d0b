"""How much of what a model was trained on a teacher wrote, in a sentence for the cards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stages.kinds import LABELLED, PAIRED, REPAIRED

MADE = ("augmented", "mixed")  # the reports that tell of it, where there are any
_ANSWERED = (LABELLED, REPAIRED)  # kinds of which the teacher wrote the answer alone


def synthetic(splits: Mapping[str, Any], augmented: Mapping[str, Any] | None, mixed: Mapping[str, Any] | None) -> str:
    """Each row counts once, whatever its weight. augmented, mixed: the reports of those stages, where they ran.

    Where a teacher makes pairs, nothing but pairs is learned from.
    """
    made = {kind["tag"]: int(kind["accepted"]) for kind in (augmented or {}).get("kinds", ())}
    pairs = made.pop(PAIRED, None)
    answers = sum(made.get(tag, 0) for tag in _ANSWERED)
    rows = sum(made.values()) - answers
    general = int((mixed or {}).get("general_rows", 0))
    trained = general + (splits["train"] + rows + answers if pairs is None else pairs)
    parts = list(_parts(trained, 0 if pairs is not None else rows, answers if pairs is None else pairs))
    if not parts:
        return f"Synthetic: none of the {trained:,} rows that it was trained on was written by a teacher in this build."
    return f"Synthetic: of the {trained:,} rows that it was trained on a teacher wrote {' and '.join(parts)}."


def _parts(trained: int, rows: int, answers: int) -> Iterator[str]:
    for many, what in ((rows, "whole"), (answers, "in their answers")):
        if many:
            yield f"{many:,} ({many / trained:.1%}) {what}"
