"""What TRL's trainers have in common here: they are told which rows make a step, and keep every step's loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from stages import branches, parallel, progress
from stages.lessons import Lesson, plain
from stages.prefix import pieces
from stages.supervision import Pair

Columns = list[dict[str, Any]]


def paired(lesson: Lesson) -> tuple[list[Pair], list[Pair]]:
    """The pairs of the train and of the dev rows. Raises T340 to T342 for rows.

    Where no dev row has a worse answer, every tenth pair of the train rows is held back in their place.
    """
    rows = list(lesson.train_rows())
    measured = [row for row in lesson.dev_rows() if row.rejected is not None]
    if not measured:
        rows, measured = [row for n, row in enumerate(rows) if n % 10] or rows, rows[::10]
    return lesson.pairs(rows), lesson.pairs(measured)


def arguments(config: Any, lesson: Lesson, steps: int, **own: Any) -> Any:
    """TRL's settings for a run of that many steps, silent and without files; `own` are the method's."""
    params, gpu = lesson.params, lesson.model.device.type == "cuda"
    return config(
        output_dir=lesson.scratch,
        max_steps=steps,
        learning_rate=params.learning_rate,
        lr_scheduler_type=params.scheduler if params.scheduler != "constant" else "constant_with_warmup",
        warmup_steps=round(params.warmup_ratio * steps),
        weight_decay=params.weight_decay,
        optim="adamw_torch_fused",
        seed=params.seed,
        use_cpu=not gpu,
        bf16=gpu,
        gradient_checkpointing=False,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **{"per_device_train_batch_size": params.batch_size, **own},
    )


def stepping(trainer: Any) -> Any:
    """That trainer, fed step by step (see `_fed`), with `losses` and the gradients' `norms` before they are clipped, of
    every step so far. Where rows of a step are computed apart, here or in other processes, their gradients add up."""

    class Stepping(_fed(trainer)):  # type: ignore[misc]
        def __init__(self, **given: Any) -> None:
            self.losses: list[float] = []
            self.norms: list[float] = []
            self.of: Any = None  # what the step's loss is the mean of, where this process computes but a part at once
            super().__init__(**given)

        def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
            parts = inputs if self.at_once else [inputs]
            if self.at_once or self.accelerator.num_processes > 1:
                mine = sum(weight(part) for part in parts).to(self.accelerator.device)
                self.of = self.accelerator.reduce(mine, "mean")
            loss = super().training_step(model, parts[0], num_items_in_batch)
            for part in parts[1:]:
                loss = loss + super().training_step(model, part, num_items_in_batch)
            self.of = None
            self.losses.append(float(self.accelerator.reduce(loss.detach(), "mean")))
            return loss

        def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
            found = super()._get_grad_norm(model, grad_norm)
            self.norms.append(float(parallel.whole(found)))
            return found

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            """Of a part of a step, its share in the step's: so that parts add up, and processes' means are the mean."""
            with self.accelerator.autocast():  # accelerate casts in the wrapper's forward, which a step may pass by
                loss = super().compute_loss(model, inputs, num_items_in_batch=num_items_in_batch)
            return loss if self.of is None else loss * weight(inputs) / self.of

    return Stepping


def _fed(trainer: Any) -> Any:
    """That trainer with `steps`, the rows of every step, of which `done` are done already.

    at_once: rows that are computed together; a batch is a list of such parts then.
    """
    from torch.utils.data import DataLoader

    class Fed(trainer):  # type: ignore[misc]
        def __init__(self, *, steps: list[list[int]], at_once: int | None = None, **given: Any) -> None:
            self.steps, self.at_once = steps, at_once
            self.done = 0
            super().__init__(**given)
            self.is_distributed_loading_by_transformers = parallel.shard(self.model)  # no one wraps it any more
            in_float32(self.model)

        def get_train_dataloader(self) -> Any:
            rank, processes = self.accelerator.process_index, self.accelerator.num_processes
            left = [parallel.part(step, rank, processes) for step in self.steps[self.done :]]
            return DataLoader(self.train_dataset, batch_sampler=left, collate_fn=self._collate)

        def _collate(self, rows: list[Any]) -> Any:
            if self.at_once:
                return [self.data_collator(part) for part in pieces(rows, self.at_once)]
            return self.data_collator(rows)

    return Fed


def weight(inputs: Any) -> Any:
    """What a batch's loss is the mean of: learned tokens, or rows where the answers of a row are weighed."""
    import torch

    if (labels := inputs.get("labels")) is not None:
        return (labels != -100).sum().float()
    rows = inputs["chosen_input_ids" if "chosen_input_ids" in inputs else "input_ids"]  # of orpo each answer by itself
    return torch.tensor(float(len(rows)))


def branching(trainer: Any) -> Any:
    """A trainer that weighs answers: it gets their log-probabilities from stages/branches.py, whatever it asks the
    model for. shared: whether what rows begin with alike is run once a step."""

    class Branching(stepping(trainer)):  # type: ignore[misc]
        def __init__(self, *, shared: bool, **given: Any) -> None:
            self.shared = shared
            super().__init__(**given)

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            return super().compute_loss(self.asked(model), inputs, num_items_in_batch=num_items_in_batch)

        def asked(self, model: Any) -> Callable[..., SimpleNamespace]:
            """What TRL calls in the model's place. It wants more of an output than its loss needs, for figures that it
            would log; nothing is logged here."""
            bare = plain(self.accelerator.unwrap_model(model))

            def ask(input_ids: Any, attention_mask: Any, labels: Any, **_: Any) -> SimpleNamespace:
                call = bare if self.accelerator.num_processes == 1 else model
                found = branches.log_probs(bare, call, input_ids, attention_mask, labels, self.shared)
                unread = found.detach().new_zeros(found.shape)
                return SimpleNamespace(log_probs=found, entropy=unread, mean_logits=unread, is_top1=unread.bool())

            return ask

    return Branching


def referring(trainer: Any, *columns: str) -> Any:
    """A trainer of preferences that asks its reference once, before the training: the model as it is then.

    TRL would hold a second model in memory, or a second adapter, and ask it in every epoch anew. `columns` are what its
    compute_ref_log_probs gives. The rows come tokenized.
    """

    class Referring(branching(trainer)):  # type: ignore[misc]
        def _prepare_dataset(self, dataset: Any, *rest: Any) -> Any:
            return dataset

        def _precompute_ref_logps(self, dataset: Any, name: str, batch_size: int) -> Any:
            import torch

            if "ref" in getattr(self.model, "peft_config", {}):
                self.model.delete_adapter("ref")  # TRL's copy of the adapter, which is itself as yet
            was, found = self.model.training, {column: [0.0] * len(dataset) for column in columns}
            self.model.eval()
            self.ref_model = self.model  # so no adapter is switched off: one that goes on from another is asked with it
            with torch.no_grad():
                for rows in chunks(dataset, batch_size):
                    progress.tell(rows[0], len(dataset), "rows asked of the base model")
                    inputs = self._prepare_inputs(self.data_collator([dataset[row] for row in rows]))
                    for column, values in zip(
                        columns, self.compute_ref_log_probs(self.asked(self.model), inputs), strict=True
                    ):
                        for row, value in zip(rows, values.tolist(), strict=True):
                            found[column][row] = value
            self.ref_model = None
            self.model.train(was)
            for column, values in found.items():
                dataset = dataset.add_column(column, values)
            return dataset

        def referred(self, dataset: Any) -> Any:
            """Other rows with their reference, such as dev's. To be called before the training."""
            return self._precompute_ref_logps(dataset, "dev", self.args.per_device_train_batch_size)

    return Referring


def dev_loss(trainer: Any, dataset: Any, size: int) -> Callable[..., Mapping[str, float]]:
    """What `Prepared.dev` asks for: the trainer's own loss of these rows, `size` of them at once."""

    def measured(most: int | None = None) -> Mapping[str, float]:
        first = len(dataset) - min(most or len(dataset), len(dataset))
        return {"dev_loss": _mean_loss(trainer, [dataset[row] for row in range(first, len(dataset))], size)}

    return measured


def _mean_loss(trainer: Any, rows: Sequence[Any], size: int) -> float:
    """Without dropout; 0.0 for no rows."""
    import torch

    trainer.model.eval()
    total = 0.0
    with torch.no_grad(), trainer.compute_loss_context_manager():
        for some in pieces(rows, size):
            inputs = trainer._prepare_inputs(trainer.data_collator(list(some)))
            total += float(trainer.compute_loss(trainer.model, inputs)) * len(some)
    return total / max(1, len(rows))


def chunks(rows: Sequence[Any], size: int) -> Iterator[list[int]]:
    """The places of rows, a few at a time, in their order."""
    yield from (list(range(first, min(first + size, len(rows)))) for first in range(0, len(rows), size))


def without_dropout(lesson: Lesson) -> Lesson:
    """The base model's own dropout off, for a preference is a difference of two passes; the adapter's stays."""
    from trl.trainer.utils import disable_dropout_in_model

    disable_dropout_in_model(lesson.model)
    return lesson


def in_float32(model: Any) -> None:
    """TRL casts what is trained on top of quantized weights to bfloat16, which is ten times slower on a CPU, and loses
    small updates anywhere."""
    import torch

    for parameter in model.parameters():
        if parameter.requires_grad and parameter.dtype == torch.bfloat16:
            parameter.data = parameter.data.float()
