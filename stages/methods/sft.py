"""Supervised fine-tuning: the answers of the train rows, on TRL's SFTTrainer with the step of stages/prefix.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from stages import parallel
from stages.catalog import Method
from stages.engines._prefix import shareable
from stages.lessons import DEV_ROWS, Lesson, Prepared, plain
from stages.methods._trl import arguments, stepping
from stages.prefix import WORTH, answer_loss, batches, pieces, refused
from stages.rows import Row
from stages.supervision import Example, common_prefix

MEASURED = 16  # dev rows at once, where their logits take no more room than those of a training step
LITTLE = 64  # learned tokens whose logits take little room in any case


def prepare(lesson: Lesson) -> Prepared:
    """Raises T340 to T342 for rows, T343 when a prefix cannot be shared."""
    train, dev = (lesson.examples(rows) for rows in (answered(lesson.train_rows()), lesson.dev_rows()))
    shared = what_is_shared(lesson.model, train + dev, lesson.params.shared_prefix or "auto")
    return supervised(lesson, train, dev, shared)


def answered(rows: Iterable[Row]) -> list[Row]:
    """Before kto, of rows that are called good or bad, the good ones."""
    return [row for row in rows if row.answered]


def supervised(lesson: Lesson, train: Sequence[Example], dev: Sequence[Example], shared: int) -> Prepared:
    """A run over these examples, of which every prompt begins with the same `shared` tokens."""
    from datasets import Dataset
    from trl import SFTConfig

    params, pad = lesson.params, lesson.tokenizer.pad_token_id
    steps = batches([len(row) for row in train], params.batch_size, params.epochs, params.seed)
    trainer = _trainer_class()(
        steps=steps,
        at_once=params.micro_batch_size,
        shared=shared,
        model=lesson.seeded_model(),
        args=arguments(SFTConfig, lesson, len(steps), max_length=None, dataset_kwargs={"skip_prepare_dataset": True}),
        train_dataset=Dataset.from_list([{"input_ids": row.tokens, "labels": row.labels} for row in train]),
        processing_class=lesson.tokenizer,
    )
    counts = {
        "rows": len(train),
        "dev_rows": len(dev[:DEV_ROWS]),
        "tokens_per_epoch": sum(map(len, train)),
        "learned_tokens_per_epoch": sum(len(row.answer) for row in train),
        "shared_prefix_tokens": shared,
    }
    held = sorted(dev[:DEV_ROWS], key=len)
    size, most_learned = max(MEASURED, params.batch_size), max(LITTLE, _most_learned(train, trainer))

    def measured(most: int | None = None) -> dict[str, float]:
        rows = held[-most:] if most else held
        return {"dev_loss": mean_loss(trainer.model, rows, pad, shared, size, most_learned)}

    return Prepared(
        trainer,
        [len(row) for row in train],
        measured,
        counts,
        batch_key="micro_batch_size",
        dev_lengths=[len(row) for row in held],
    )


def _most_learned(rows: Sequence[Example], trainer: Any) -> int:
    """The learned tokens of the step, or of the piece of one, that has most."""
    together = (some for step in trainer.steps for some in pieces(step, trainer.at_once))
    return max(sum(len(rows[row].answer) for row in some) for some in together)


def _trainer_class() -> Any:
    from trl import SFTTrainer

    class Shared(SFTTrainer):  # type: ignore[misc]
        """shared: how many tokens all rows begin with alike, each step runs once."""

        def __init__(self, *, shared: int, **given: Any) -> None:
            super().__init__(**given)
            self.shared = shared

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            bare = plain(self.accelerator.unwrap_model(model))
            call = bare if self.accelerator.num_processes == 1 else model
            total = answer_loss(bare, inputs["input_ids"], inputs["labels"], self.shared, call)
            return total / (inputs["labels"] != -100).sum()

    return stepping(Shared)


def mean_loss(
    model: Any, rows: Sequence[Example], pad: int, shared: int, size: int, learned: int | None = None
) -> float:
    """Cross-entropy in nats per learned token, without dropout; 0.0 for no rows.

    size, learned: rows and learned tokens that are computed at once, at most.
    """
    import torch

    bare, total = plain(model).eval(), 0.0
    with torch.no_grad():
        for some in _at_once(sorted(rows, key=len), size, learned):
            ids, labels = padded(some, pad, model.device)
            total += float(answer_loss(bare, ids, labels, shared, parallel.caller(model)))
    return total / max(1, sum(len(row.answer) for row in rows))


def _at_once(rows: Sequence[Example], size: int, learned: int | None) -> Iterator[list[Example]]:
    """As many rows together as both allow; a row that is over `learned` by itself is alone."""
    some: list[Example] = []
    for row in rows:
        full = learned is not None and sum(len(one.answer) for one in (*some, row)) > learned
        if some and (full or len(some) == size):
            yield some
            some = []
        some.append(row)
    if some:
        yield some


def padded(rows: Sequence[Example], pad: int, device: Any) -> tuple[Any, Any]:
    import torch

    longest = max(map(len, rows))
    ids = [row.tokens + [pad] * (longest - len(row)) for row in rows]
    labels = [row.labels + [-100] * (longest - len(row)) for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(labels, device=device)


def what_is_shared(model: Any, rows: Sequence[Example], wish: Literal["auto", "on", "off"]) -> int:
    """How many tokens each step runs once for all its rows. Raises T343 when it must and cannot."""
    if wish == "off":
        return 0
    longest, able = common_prefix(rows), shareable(model)
    if wish == "on" and not (longest and able):
        why = "the base model's attention does not allow it" if not able else "no token begins all prompts"
        raise refused(why)
    worth = longest > 0 if wish == "on" else longest >= WORTH
    return longest if able and worth else 0


METHOD = Method(
    "sft", "supervised: the answers alone are learned", "answers", ("shared_prefix", "micro_batch_size"), prepare
)
