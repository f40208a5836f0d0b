"""Group-relative policy optimization: the model answers a prompt several times, and leans towards its better answers.

How good an answer is can be checked without a judge: it fits the contract (1 or 0), and the task's own metric against
the row's answer, where it fits.
Source: Shao et al. 2024 (DeepSeekMath), equation 3; TRL's GRPOTrainer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from stages.answers import Answer
from stages.branches import shares
from stages.catalog import Method, Metric
from stages.contract import Contract
from stages.diagnostics import fail
from stages.judging import Judged, judge
from stages.lessons import Lesson, Prepared
from stages.methods._trl import arguments, branching
from stages.prefix import batches
from stages.rows import Row
from stages.scoring import metric_named
from stages.supervision import Example, stop_tokens


def prepare(lesson: Lesson) -> Prepared:
    """Raises T340 to T343 for rows and what they share, T389 when prompt and answer are longer than the model reads."""
    from datasets import Dataset
    from trl import GRPOConfig

    params, rows = lesson.params, list(lesson.train_rows())
    train = lesson.examples(rows)
    generations, longest = params.generations or 8, params.max_new_tokens or 128
    _check_room(lesson, train, longest)
    _stop_after_a_turn(lesson)
    lengths = [len(row.prompt) for row in train]
    steps = batches(lengths, params.batch_size, params.epochs, params.seed)
    own = {"num_generations": generations, "max_completion_length": longest, "beta": 0.0}
    trainer = _trainer_class()(
        steps=[[row for row in step for _ in range(generations)] for step in steps],
        prompts={row.id: row.prompt for row in train},
        shared=shares(lesson.model, params.shared_prefix or "auto"),
        model=lesson.seeded_model(),
        reward_funcs=rewards(rows, lesson.tokenizer, params.contract, str(params.reward)),
        args=arguments(
            GRPOConfig, lesson, len(steps), **own, per_device_train_batch_size=params.batch_size * generations
        ),
        train_dataset=Dataset.from_list([{"prompt": row.id} for row in train]),
        processing_class=lesson.tokenizer,
    )
    counts = {"rows": len(train), "dev_rows": 0, "tokens_per_epoch": sum(lengths)}
    return Prepared(trainer, lengths, lambda most=None: {}, counts, {"reward": trainer.rewards}, written=longest)


def rewards(rows: Iterable[Row], tokenizer: Any, contract: Contract, metric: str) -> list[Callable[..., list[float]]]:
    """`fits`: 1 for an answer that fits the contract. `right`: the metric of that answer alone, 0 where it does not."""
    by_id, measure = {row.id: row for row in rows}, metric_named(metric)

    def judged(prompts: Sequence[str], completion_ids: Sequence[list[int]]) -> list[Judged]:
        texts = [str(tokenizer.decode(ids, skip_special_tokens=True)) for ids in completion_ids]
        return [
            judge([by_id[id]], [Answer(id, text, text, len(ids), "stop")], contract)[0]
            for id, text, ids in zip(prompts, texts, completion_ids, strict=True)
        ]

    def fits(prompts: Sequence[str], completion_ids: Sequence[list[int]], **given: Any) -> list[float]:
        return [float(one.valid) for one in judged(prompts, completion_ids)]

    def right(prompts: Sequence[str], completion_ids: Sequence[list[int]], **given: Any) -> list[float]:
        return [_value(measure, one) if one.valid else 0.0 for one in judged(prompts, completion_ids)]

    return [fits, right]


def _value(metric: Metric, one: Judged) -> float:
    import numpy as np

    counts = metric.counts([one])
    return 0.0 if counts is None else float(metric.value(np.asarray(counts, dtype=float).sum(axis=0)))


def _check_room(lesson: Lesson, rows: Sequence[Example], longest: int) -> None:
    context = lesson.context
    most = max(len(row.prompt) for row in rows)
    if most + longest > context:
        message = (
            f"the longest prompt has {most} tokens and its answer may have {longest}, and the model reads {context}"
        )
        help = "lower training.max_new_tokens, or shorten the prompt or the rows"
        raise fail("T389", message, help=help, key="training.max_new_tokens")


def _stop_after_a_turn(lesson: Lesson) -> None:
    """Let generation stop where the chat template ends a turn, whatever the model's config says of it."""
    config = lesson.model.generation_config
    said = config.eos_token_id
    known = said if isinstance(said, list) else [] if said is None else [said]
    config.eos_token_id = sorted({*known, stop_tokens(lesson.tokenizer)[-1]})


def _trainer_class() -> Any:
    from trl import GRPOTrainer

    class Grouped(branching(GRPOTrainer)):  # type: ignore[misc]
        """prompts: the tokens of each row. rewards: the mean of every step so far, of `fits` and `right` together."""

        def __init__(self, *, prompts: dict[str, list[int]], **given: Any) -> None:
            self.prompts = prompts
            self.rewards: list[float] = []
            super().__init__(**given)

        def _tokenize_prompts(self, prompts: list[str]) -> Any:
            return [self.prompts[id] for id in prompts], None, {}

        def _calculate_rewards(self, *given: Any) -> Any:
            found = super()._calculate_rewards(*given)
            self.rewards.append(float(found.sum(dim=1).mean()))
            return found

    return Grouped


METHOD = Method(
    "grpo",
    "answers of its own, rated by the contract and the metric",
    "answers",
    ("generations", "max_new_tokens", "reward", "shared_prefix"),
    prepare,
)
