"""Odds-ratio preference optimization: the chosen answer is learned, and made likelier than the rejected one, in one run
without a reference.

Source: Hong et al. 2024, equations 6 and 7; TRL's ORPOTrainer, which stands in trl.experimental.
"""

from __future__ import annotations

from typing import Any

from stages.branches import shares
from stages.catalog import Method
from stages.lessons import DEV_ROWS, Lesson, Prepared
from stages.methods._trl import arguments, branching, dev_loss, paired, without_dropout
from stages.prefix import batches
from stages.supervision import Pair

CERTAIN = -1e-6  # the log-odds of a certain answer have no end, and no gradient


def prepare(lesson: Lesson) -> Prepared:
    """Raises T340 to T342 for rows, T343 when a prefix cannot be shared."""
    from datasets import Dataset
    from trl.experimental.orpo import ORPOConfig

    params = lesson.params
    train, dev = paired(lesson)
    lengths = [len(pair) for pair in train]
    steps = batches(lengths, params.batch_size, params.epochs, params.seed)
    trainer = _trainer_class()(
        steps=steps,
        shared=shares(lesson.model, params.shared_prefix or "auto"),
        model=without_dropout(lesson).seeded_model(),
        args=arguments(ORPOConfig, lesson, len(steps), beta=params.beta, disable_dropout=False),
        train_dataset=Dataset.from_list([_columns(pair) for pair in train]),
        processing_class=lesson.tokenizer,
    )
    measured = sorted(dev[:DEV_ROWS], key=len)
    held = [_columns(pair) for pair in measured]
    counts = {"rows": len(train), "dev_rows": len(held), "tokens_per_epoch": sum(pair.tokens for pair in train)}
    return Prepared(
        trainer,
        lengths,
        dev_loss(trainer, held, params.batch_size),
        counts,
        passes=2,
        dev_lengths=[len(pair) for pair in measured],
    )


def _columns(pair: Pair) -> dict[str, Any]:
    """What ORPOTrainer.tokenize_row makes of a row, out of our own tokens."""
    found: dict[str, Any] = {"prompt": pair.id, "chosen": "", "rejected": ""}
    for name, answer in (("chosen", pair.chosen), ("rejected", pair.rejected)):
        ids = pair.prompt + answer
        found[f"{name}_input_ids"] = ids
        found[f"{name}_attention_mask"] = [1] * len(ids)
        found[f"{name}_labels"] = [-100] * len(pair.prompt) + answer
    return found


def _trainer_class() -> Any:
    from trl.experimental.orpo import ORPOTrainer

    class AnswersOnly(branching(ORPOTrainer)):  # type: ignore[misc]
        """TRL learns the prompt of a chosen answer too; here the answer alone is learned."""

        def tokenize_row(self, feature: Any, model: Any = None) -> dict[str, Any]:
            return {}

        def odds_ratio_loss(self, chosen: Any, rejected: Any) -> Any:
            return super().odds_ratio_loss(chosen.clamp(max=CERTAIN), rejected.clamp(max=CERTAIN))

        def concatenated_forward(self, model: Any, batch: Any) -> Any:
            """The mean log-probability of each chosen and each rejected answer, twice (the second time for figures that
            TRL would log), and the loss of the chosen ones."""
            both = self.concatenated_inputs(batch, False, self.padding_value, self.accelerator.device)
            ids, mask, labels = (both[f"concatenated_{name}"] for name in ("input_ids", "attention_mask", "labels"))
            many = (labels[:, 1:] != -100).sum(-1)
            sums = model(input_ids=ids, attention_mask=mask, labels=labels).log_probs.sum(-1)
            pairs = len(labels) // 2
            chosen, rejected = (sums / many).split(pairs)
            return chosen, rejected, chosen, rejected, -sums[:pairs].sum() / many[:pairs].sum()

    return AnswersOnly


METHOD = Method(
    "orpo", "answers and preferences in one run, without a reference", "pairs", ("beta", "shared_prefix"), prepare
)
