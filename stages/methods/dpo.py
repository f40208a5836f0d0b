"""Direct preference optimization: the chosen answer becomes likelier than the rejected one, against the model before.

Source: Rafailov et al. 2023, equation 7; TRL's DPOTrainer.
"""

from __future__ import annotations

from stages.branches import shares
from stages.catalog import Method
from stages.lessons import DEV_ROWS, Lesson, Prepared
from stages.methods._trl import arguments, dev_loss, paired, referring, without_dropout
from stages.prefix import batches


def prepare(lesson: Lesson) -> Prepared:
    """Raises T340 to T342 for rows, T343 when a prefix cannot be shared."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    params = lesson.params
    train, dev = paired(lesson)
    lengths = [len(pair) for pair in train]
    steps = batches(lengths, params.batch_size, params.epochs, params.seed)
    own = {"beta": params.beta, "precompute_ref_log_probs": True, "max_length": None, "disable_dropout": False}
    trainer = referring(DPOTrainer, "ref_chosen_logps", "ref_rejected_logps")(
        steps=steps,
        at_once=params.micro_batch_size,
        shared=shares(lesson.model, params.shared_prefix or "auto"),
        model=without_dropout(lesson).seeded_model(),
        args=arguments(DPOConfig, lesson, len(steps), **own),
        train_dataset=Dataset.from_list([pair.columns for pair in train]),
        processing_class=lesson.tokenizer,
    )
    measured = sorted(dev[:DEV_ROWS], key=len)
    held = trainer.referred(Dataset.from_list([pair.columns for pair in measured]))
    counts = {"rows": len(train), "dev_rows": len(measured), "tokens_per_epoch": sum(pair.tokens for pair in train)}
    return Prepared(
        trainer,
        lengths,
        dev_loss(trainer, held, params.micro_batch_size or params.batch_size),
        counts,
        passes=2,
        batch_key="micro_batch_size",
        dev_lengths=[len(pair) for pair in measured],
    )


METHOD = Method(
    "dpo",
    "preferences, against the model before the training",
    "pairs",
    ("beta", "shared_prefix", "micro_batch_size"),
    prepare,
)
