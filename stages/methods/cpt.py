"""Continued pretraining: every token of plain texts, on TRL's SFTTrainer. Rows with answers tell whether it helped."""

from __future__ import annotations

from collections.abc import Iterable

from stages.catalog import Method
from stages.chat import Piece, Prompt
from stages.lessons import Lesson, Prepared
from stages.methods.sft import supervised
from stages.rows import Row
from stages.supervision import Example, examples
from stages.weights import encode


def prepare(lesson: Lesson) -> Prepared:
    """The dev loss is of the dev rows' answers, as in sft. Raises T340 to T342 for dev rows."""
    params = lesson.params
    dev = examples(lesson.dev_rows(), lesson.tokenizer, params.prompting, params.contract, params.max_length)
    return supervised(lesson, blocks(lesson.train_rows(), lesson.tokenizer, params.max_length), dev, 0)


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
