"""What a method gets to train with, and what it gives back. The training itself all methods have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from stages import lora, supervision, weights
from stages.base import Key, Params
from stages.catalog import Adapter
from stages.chat import Prompting
from stages.contract import Contract
from stages.rows import Row, read_rows
from stages.supervision import Example, Pair, Say

DEV_ROWS = 200  # as many as tell a good run from a bad one; the dev split is measured whole by `predict`


class Lora(Params):
    """target_modules: all-linear, or names of linear modules with commas between: q_proj,v_proj.

    rslora: scale by alpha / sqrt(r). dora: train magnitude and direction apart. modules_to_save: trained whole.
    """

    r: Annotated[int, Key("training.lora.r")]
    alpha: Annotated[int, Key("training.lora.alpha")]
    dropout: Annotated[float, Key("training.lora.dropout")]
    target_modules: Annotated[str, Key("training.lora.target_modules")]
    rslora: Annotated[bool, Key("training.lora.rslora")] = False
    dora: Annotated[bool, Key("training.lora.dora")] = False
    modules_to_save: Annotated[tuple[str, ...], Key("training.lora.modules_to_save")] = ()


class DevChecks(Params):
    """checks: times that the dev loss is measured on the way, the end included; 0: at the end alone. patience: checks
    without a better one after which training stops. keep: the weights of the best check, or the last ones."""

    checks: Annotated[int, Key("training.dev.checks")] = 0
    patience: Annotated[int | None, Key("training.dev.patience")] = None
    keep: Annotated[Literal["best", "last"], Key("training.dev.keep")] = "best"


class Budget(Params):
    """steps: at most so many. minutes: no step begins after so many, whatever the machine has done by then."""

    steps: Annotated[int | None, Key("training.budget.steps")] = None
    minutes: Annotated[float | None, Key("training.budget.minutes")] = None


NO_CHECKS, NO_BUDGET = DevChecks(), Budget()


class Signals(Params):
    """suspects: train rows that are scored one by one at the end, to name those that fit least; 0: none."""

    suspects: Annotated[int, Key("training.signals.suspects")] = 0


class TrainParams(Params):
    """learning_rate: at its highest. batch_size: rows a step. warmup_ratio: share of the steps, in [0, 1).

    epochs: may be a part of one. max_length: tokens of a row. What some methods read alone: micro_batch_size (rows
    computed at once; None: a step's), shared_prefix (auto uses it where it pays), beta (how hard a preference pulls),
    generations (answers that are tried for a prompt) of at most max_new_tokens, and reward (the metric that rates
    them). rate_probe: steps of each of three short runs at other rates; 0: none. gradient_checkpointing: auto computes
    activations twice where memory asks for it. deterministic, liger: see stages/gpu.py.
    """

    method: Annotated[str, Key("training.method")]
    adapter: Annotated[str, Key("training.adapter")]
    lora: Lora
    epochs: Annotated[float, Key("training.epochs")]
    learning_rate: Annotated[float, Key("training.learning_rate")]
    batch_size: Annotated[int, Key("training.batch_size")]
    warmup_ratio: Annotated[float, Key("training.warmup_ratio")]
    weight_decay: Annotated[float, Key("training.weight_decay")]
    scheduler: Annotated[Literal["cosine", "linear", "constant"], Key("training.scheduler")]
    max_length: Annotated[int, Key("training.max_length")]
    seed: Annotated[int, Key("training.seed")]
    micro_batch_size: Annotated[int | None, Key("training.micro_batch_size", rare=True)] = None
    shared_prefix: Annotated[Literal["auto", "on", "off"] | None, Key("training.shared_prefix")] = None
    beta: Annotated[float | None, Key("training.beta")] = None
    generations: Annotated[int | None, Key("training.generations")] = None
    max_new_tokens: Annotated[int | None, Key("training.max_new_tokens")] = None
    reward: Annotated[str | None, Key("training.reward")] = None
    dev: DevChecks = NO_CHECKS
    budget: Budget = NO_BUDGET
    rate_probe: Annotated[int, Key("training.rate_probe")] = 0
    gradient_checkpointing: Annotated[Literal["auto", "on", "off"], Key("training.gradient_checkpointing")] = "auto"
    deterministic: Annotated[bool | None, Key("training.deterministic", rare=True)] = None
    liger: Annotated[bool | None, Key("training.liger", rare=True)] = None
    signals: Signals = Signals()
    prompting: Prompting
    contract: Contract


@dataclass(frozen=True)
class Lesson:
    """model: the base model as `adapter` loads it. train, dev: JSONL of rows. scratch: a folder that goes away.

    start: what an earlier training of the same kind wrote, to go on from. rounded: whether it is multiplied by frozen
    weights in bfloat16.
    """

    model: Any
    tokenizer: Any
    train: Path
    dev: Path
    params: TrainParams
    adapter: Adapter
    scratch: str
    start: Path | None = None
    rounded: bool = False

    def train_rows(self) -> Iterator[Row]:
        return read_rows(self.train)

    def dev_rows(self) -> Iterator[Row]:
        return read_rows(self.dev)

    @property
    def context(self) -> int:
        return weights.context_of(self.model)

    def examples(self, rows: Iterable[Row], say: Say | None = None) -> list[Example]:
        """See stages.supervision.examples."""
        how = self.params
        given = rows, self.tokenizer, how.prompting, how.contract, how.max_length
        return supervision.examples(*given, say=say, context=self.context)

    def pairs(self, rows: Iterable[Row]) -> list[Pair]:
        """See stages.supervision.pairs."""
        how = self.params
        given = rows, self.tokenizer, how.prompting, how.contract, how.max_length
        return supervision.pairs(*given, context=self.context)

    def seeded_model(self) -> Any:
        """The model with what is to be trained, the same numbers for the same seed. Raises T345, T386, T387."""
        from transformers import set_seed

        set_seed(self.params.seed)
        model = self.adapter.add(self.model, self.params.lora)
        if self.start:
            self.adapter.go_on(model, self.start)
        if self.rounded:
            lora.fuse(model, rounded=True)
        return model


@dataclass(frozen=True)
class Prepared:
    """A trainer of TRL's that needs nothing but to be run, with `steps` (the rows of each) and `losses` (so far).

    lengths: tokens of each row. dev: the figures of the dev rows, to be asked after the training; of the last `most`
    alone, where that is given. counts: for the report. series: what else is told of every step beside its loss; the
    first one stands in the progress line. passes: how often the model reads a row's tokens in a step. written: tokens
    that it adds to a row itself, at most. batch_key: the key of `training` that lets fewer rows be computed at once.
    dev_lengths: tokens of each dev row, in the order in which they are asked: the longest last, but of kto.
    """

    trainer: Any
    lengths: Sequence[int]
    dev: Callable[..., Mapping[str, float]]
    counts: dict[str, int]
    series: Mapping[str, list[float]] = field(default_factory=dict)
    passes: int = 1
    written: int = 0
    batch_key: str = "batch_size"
    dev_lengths: Sequence[int] = ()


def plain(model: Any) -> Any:
    """The causal language model itself, out of PEFT's wrapper where there is one."""
    from peft import PeftModel

    return model.get_base_model() if isinstance(model, PeftModel) else model
