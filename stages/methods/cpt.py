"""Continued pretraining: every token of plain texts, on TRL's SFTTrainer. Rows with answers tell whether it helped."""

from __future__ import annotations

from collections.abc import Iterable

from stages.catalog import Method
from stages.chat import Piece, Prompt
from stages.diagnostics import fail
from stages.lessons import Lesson, Prepared
from stages.methods.sft import supervised
from stages.rows import Row
from stages.supervision import Example
from stages.weights import encode


def prepare(lesson: Lesson) -> Prepared:
    """The dev loss is of the dev rows' answers, as in sft. Raises T340 to T342 for dev rows, T808 without texts."""
    dev = lesson.examples(lesson.dev_rows())
    longest = min(lesson.params.max_length, lesson.context)
    return supervised(lesson, blocks(_texts(lesson), lesson.tokenizer, longest), dev, 0)


def _texts(lesson: Lesson) -> list[Row]:
    """Beside texts, rows with answers are kept out of train; where there are no texts, they are not."""
    rows = list(lesson.train_rows())
    if any(row.text is None for row in rows):
        help = (
            "bring texts: rows of a column `text` and no answer, or a file with `format: text`; or write `method: sft`"
        )
        message = "cpt learns from texts, and every row has an answer, which makes it a row to measure with"
        raise fail("T808", message, help=help, key="training.method")
    return rows


def blocks(rows: Iterable[Row], tokenizer: object, max_length: int) -> list[Example]:
    """The texts in pieces of at most `max_length` tokens, none left out. Special tokens in a text stay text.

    A piece begins as the tokenizer begins a text, and a text's last one ends with its end-of-text token. Of a piece
    nothing is learned of the first token, so none is of one token alone.
    """
    begin, end = _ends(tokenizer)
    found = []
    for row in rows:
        tokens = [*encode(tokenizer, Prompt(row.id, (Piece(str(row.text), plain=True),))), *end]
        size = max_length - len(begin)
        firsts = list(range(0, len(tokens), size))
        if not begin and len(tokens) % size == 1 and len(firsts) > 1:
            firsts[-1] -= 1  # the last token brings the one before it along
        parts = [[*begin, *tokens[first:last]] for first, last in zip(firsts, [*firsts[1:], None], strict=True)]
        found += [Example(row.id, part[:1], part[1:]) for part in parts if len(part) > 1]
    return found


def _ends(tokenizer: object) -> tuple[list[int], list[int]]:
    bos, eos = (getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos"))
    begins = bos is not None and tokenizer.encode("")[:1] == [bos]  # type: ignore[attr-defined]
    return [bos] if begins else [], [] if eos is None else [eos]


METHOD = Method("cpt", "continued pretraining: every token of plain texts", "texts", ("micro_batch_size",), prepare)
