"""How well single rows fit a trained model: for the rows that fit least, and for rows of general knowledge."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any

from stages import parallel, progress
from stages.lessons import plain
from stages.prefix import answer_loss
from stages.supervision import Example

_MARK = re.compile(r"<\|[a-z_]+\|>|<(?:start|end)_of_turn>")


def losses(model: Any, rows: Sequence[Example], note: str) -> list[float]:
    """Of each row the cross-entropy of its answer, in nats per learned token, without dropout."""
    import torch

    bare, found = plain(model).eval(), []
    with torch.no_grad():
        for place, row in enumerate(rows):
            progress.tell(place, len(rows), note)
            ids, labels = (torch.tensor([tokens], device=model.device) for tokens in (row.tokens, row.labels))
            found.append(float(answer_loss(bare, ids, labels, 0, parallel.caller(model))) / max(1, len(row.answer)))
    return found


def mean_loss(model: Any, rows: Sequence[Example]) -> float:
    """Nats per learned token of all rows together."""
    each = losses(model, rows, "general rows")
    learned = [len(row.answer) for row in rows]
    return sum(loss * many for loss, many in zip(each, learned, strict=True)) / max(1, sum(learned))


def worst(model: Any, rows: Sequence[Example], many: int, seed: int) -> list[tuple[str, float]]:
    """Ids and losses of at most `many` train rows, drawn by the seed; the highest loss first."""
    drawn = rows if len(rows) <= many else random.Random(seed).sample(list(rows), many)  # noqa: S311 - no secret
    each = losses(model, drawn, "rows scored one by one")
    return sorted(((row.id, loss) for row, loss in zip(drawn, each, strict=True)), key=lambda one: (-one[1], one[0]))


def marks_without_token(tokenizer: Any, source: str) -> list[str]:
    """The marks that a chat template writes around messages, such as `<|im_start|>`, and that the tokenizer splits."""
    named = sorted(set(_MARK.findall(source)))
    return [mark for mark in named if len(tokenizer.encode(mark, add_special_tokens=False)) != 1]
