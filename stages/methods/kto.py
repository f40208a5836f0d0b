"""Kahneman-Tversky optimization: single answers, each called good or bad; no pairs are needed.

Source: Ethayarajh et al. 2024, equation 7, its weights by equation 8; TRL's KTOTrainer.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from typing import Any

from stages.branches import shares
from stages.catalog import Method
from stages.diagnostics import fail
from stages.lessons import DEV_ROWS, Lesson, Prepared, TrainParams
from stages.methods._trl import arguments, chunks, dev_loss, referring, without_dropout
from stages.prefix import batches
from stages.rows import Row
from stages.supervision import Example, spelled


def prepare(lesson: Lesson) -> Prepared:
    """Raises T340 to T343 for rows, T388 when a step or a verdict has nothing to be held against."""
    from datasets import Dataset
    from trl import KTOConfig, KTOTrainer

    params = lesson.params
    train, good = _examples(lesson, lesson.train_rows())
    dev, _ = _examples(lesson, list(lesson.dev_rows())[:DEV_ROWS])
    _check(good, params.batch_size)
    epoch = _epoch([len(row) for row in train], params)
    steps = _steps(epoch, params)
    own = {"beta": params.beta, "precompute_ref_log_probs": True, "max_length": None, "disable_dropout": False}
    trainer = referring(KTOTrainer, "ref_logps", "ref_KL_logps")(
        steps=steps,
        shared=shares(lesson.model, params.shared_prefix or "auto"),
        model=without_dropout(lesson).seeded_model(),
        args=arguments(KTOConfig, lesson, len(steps), **own, **_weights(good)),
        train_dataset=Dataset.from_list(_columns(train, good, epoch)),
        processing_class=lesson.tokenizer,
    )
    held = trainer.referred(Dataset.from_list(_columns(dev, [True] * len(dev), chunks(dev, params.batch_size))))
    counts = {"rows": len(train), "dev_rows": len(dev), "good_rows": sum(good)}
    counts |= {"tokens_per_epoch": sum(map(len, train))}
    # Each row is run with its own answer and with another row's.
    lengths, dev_lengths = ([2 * len(row) for row in rows] for rows in (train, dev))
    return Prepared(trainer, lengths, dev_loss(trainer, held, params.batch_size), counts, dev_lengths=dev_lengths)


def _examples(lesson: Lesson, rows: Iterable[Row]) -> tuple[list[Example], list[bool]]:
    """Rows as tokens, and whether each one's answer is good."""
    kept = list(rows)
    found = lesson.examples(kept, spelled(lesson.params.contract))
    return found, [row.answered for row in kept]


def _check(good: Sequence[bool], size: int) -> None:
    if size < 2 or len(good) < 2:
        help = "set training.batch_size to 2 or more, and bring more than one train row"
        raise fail(
            "T388", "kto compares the rows of a step, and a step has but one", help=help, key="training.batch_size"
        )
    if len(set(good)) < 2:
        message = f"every train row's label is {str(good[0]).lower()}, so there is nothing to prefer"
        help = "bring rows of both labels, or train with method: sft on the good ones"
        raise fail("T388", message, help=help, key="training.method")


def _epoch(lengths: Sequence[int], params: TrainParams) -> list[list[int]]:
    """The steps of one epoch, none of a single row."""
    steps = batches(lengths, params.batch_size, 1, params.seed)
    alone = [step for step in steps if len(step) == 1]
    together = [step for step in steps if len(step) > 1]
    together[-1] += [row for step in alone for row in step]
    return together


def _steps(epoch: list[list[int]], params: TrainParams) -> list[list[int]]:
    """Every epoch has the same steps in another order: the reference of a step's estimate is computed once."""
    draw = random.Random(params.seed)  # noqa: S311 - an order of rows is no secret
    wanted = max(1, math.ceil(params.epochs * len(epoch)))
    steps = list(epoch)
    while len(steps) < wanted:
        steps += draw.sample(epoch, len(epoch))
    return steps[:wanted]


def _columns(rows: Sequence[Example], good: Sequence[bool], steps: Iterable[list[int]]) -> list[dict[str, Any]]:
    """What KTOTrainer reads. The divergence is estimated with each prompt beside the answer of the row before it."""
    before = {row: step[place - 1] for step in steps for place, row in enumerate(step)}
    return [
        {
            "prompt_ids": row.prompt,
            "completion_ids": row.answer,
            "KL_completion_ids": rows[before[place]].answer,
            "label": good[place],
        }
        for place, row in enumerate(rows)
    ]


def _weights(good: Sequence[bool]) -> dict[str, float]:
    """Good and bad rows weigh alike in sum."""
    many = sum(good)
    few = len(good) - many
    return {"desirable_weight": max(1.0, few / many), "undesirable_weight": max(1.0, many / few)}


METHOD = Method("kto", "single answers, each called good or bad", "verdicts", ("beta", "shared_prefix"), prepare)
