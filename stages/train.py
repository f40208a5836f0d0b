"""A LoRA adapter from the train rows: TRL's SFTTrainer on PEFT, with the step of stages/prefix.py."""

from __future__ import annotations

import json
import logging
import math
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from stages import lora, progress
from stages.base import Key, Params, Read, Stage, Write, fail
from stages.base_model import trainable
from stages.chat import Prompting
from stages.contract import Contract
from stages.engines._prefix import shareable
from stages.prefix import WORTH, answer_loss, batches, trainer_class
from stages.rows import read_rows, write_json
from stages.supervision import Example, common_prefix, examples

CURVE_POINTS = 200
DEV_ROWS = 200  # as many as tell a good run from a bad one; the dev split is measured whole by `predict`


@dataclass(frozen=True)
class Inputs:
    train: Annotated[Path, Read("splits.train")]
    dev: Annotated[Path, Read("splits.dev")]
    model: Annotated[Path, Read("model.base")]


class Lora(Params):
    """target_modules: all-linear, or names of linear modules with commas between: q_proj,v_proj."""

    r: Annotated[int, Key("training.lora.r")]
    alpha: Annotated[int, Key("training.lora.alpha")]
    dropout: Annotated[float, Key("training.lora.dropout")]
    target_modules: Annotated[str, Key("training.lora.target_modules")]


class TrainParams(Params):
    """learning_rate: at its highest. batch_size: rows a step. warmup_ratio: share of the steps, in [0, 1).

    epochs: may be a part of one. max_length: tokens of a row. shared_prefix: auto uses it where it pays.
    """

    method: Annotated[Literal["sft"], Key("training.method")]
    adapter: Annotated[Literal["lora"], Key("training.adapter")]
    lora: Lora
    epochs: Annotated[float, Key("training.epochs")]
    learning_rate: Annotated[float, Key("training.learning_rate")]
    batch_size: Annotated[int, Key("training.batch_size")]
    warmup_ratio: Annotated[float, Key("training.warmup_ratio")]
    weight_decay: Annotated[float, Key("training.weight_decay")]
    scheduler: Annotated[Literal["cosine", "linear", "constant"], Key("training.scheduler")]
    max_length: Annotated[int, Key("training.max_length")]
    seed: Annotated[int, Key("training.seed")]
    shared_prefix: Annotated[Literal["auto", "on", "off"], Key("training.shared_prefix")]
    prompting: Prompting
    contract: Contract


@dataclass(frozen=True)
class Outputs:
    adapter: Annotated[Path, Write("adapter", kind="folder")]
    curve: Annotated[Path, Write("curve.csv", kind="plot", x="step", y="loss")]
    report: Annotated[Path, Write("report.json", kind="metrics")]


def run(inputs: Inputs, params: TrainParams, out: Outputs) -> None:
    """Train an adapter on the answers of the train rows; the prompts are read only.

    out.adapter: adapter_model.safetensors and adapter_config.json as PEFT reads them. out.curve: CSV of step, loss, in
    nats per learned token. out.report: rows, tokens, steps, losses; no times, so that the same inputs give the same
    bytes (on the same number of threads).
    Raises T340 to T342 for rows, T343 when a prefix cannot be shared, T344 when the loss is no number any more, T345
    for target modules that the model lacks.
    Source: Hu et al. 2021 (LoRA); shared prefix: design, measured facts.
    """
    from stages import threads, weights

    progress.tell(0, None, "loading the base model")
    threads.use_idle_cores()
    with silence():
        model, tokenizer = weights.load(trainable(inputs.model), device=weights.training_device())
        train, dev = (
            examples(read_rows(path), tokenizer, params.prompting, params.contract, params.max_length)
            for path in (inputs.train, inputs.dev)
        )
        shared = what_is_shared(model, train + dev, params.shared_prefix)
        model, losses = train_adapter(model, tokenizer, train, params, shared)
        dev_loss = mean_loss(model, dev[:DEV_ROWS], tokenizer.pad_token_id, shared, params.batch_size)
    write_adapter(model, out.adapter)
    _write_curve(out.curve, losses)
    write_json(out.report, _report(train, dev, losses, dev_loss, shared, params))


def train_adapter(
    model: Any, tokenizer: Any, rows: Sequence[Example], params: TrainParams, shared: int
) -> tuple[Any, list[float]]:
    """The model with a trained adapter, and the loss of every step in nats per learned token."""
    from datasets import Dataset
    from transformers import set_seed
    from transformers.trainer_callback import PrinterCallback

    set_seed(params.seed)
    steps = batches([len(row) for row in rows], params.batch_size, params.epochs, params.seed)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = trainer_class()(
            steps=steps,
            shared=shared,
            model=with_adapter(model, params.lora),
            args=_arguments(params, len(steps), scratch, model.dtype),
            train_dataset=Dataset.from_list([{"input_ids": row.tokens, "labels": row.labels} for row in rows]),
            processing_class=tokenizer,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(_teller(trainer, [len(row) for row in rows]))
        trainer.train()
    return trainer.model, trainer.losses


def with_adapter(model: Any, wanted: Lora) -> Any:
    """The model in PEFT, with a fresh adapter. Raises T345."""
    from peft import LoraConfig, get_peft_model

    names = [name.strip() for name in wanted.target_modules.split(",")]
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=wanted.r,
        lora_alpha=wanted.alpha,
        lora_dropout=wanted.dropout,
        target_modules="all-linear" if names == ["all-linear"] else names,
    )
    help = "leave training.lora.target_modules out (all linear modules), or name linear modules of the base model"
    if "lm_head" in names:
        raise fail("T345", "training.lora.target_modules names lm_head, which is not trained", help=help)
    try:
        adapted = get_peft_model(model, config)
    except ValueError as error:
        raise fail("T345", f"training.lora.target_modules does not fit the base model: {error}", help=help) from None
    lora.fuse(adapted)
    return adapted


def _arguments(params: TrainParams, steps: int, scratch: str, dtype: Any) -> Any:
    import torch
    from trl import SFTConfig

    return SFTConfig(
        output_dir=scratch,
        max_steps=steps,
        per_device_train_batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        lr_scheduler_type=params.scheduler if params.scheduler != "constant" else "constant_with_warmup",
        warmup_steps=round(params.warmup_ratio * steps),
        weight_decay=params.weight_decay,
        optim="adamw_torch_fused",
        seed=params.seed,
        use_cpu=dtype != torch.bfloat16,
        bf16=dtype == torch.bfloat16,
        gradient_checkpointing=False,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def _teller(trainer: Any, lengths: Sequence[int]) -> Any:
    """Tells how far training is after every step, and stops one that has nothing left to learn from (T344)."""
    from transformers import TrainerCallback

    class Teller(TrainerCallback):  # type: ignore[misc]
        begun, tokens = time.monotonic(), 0

        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            step, loss = state.global_step, trainer.losses[-1]
            if not math.isfinite(loss):
                help = "lower training.learning_rate to a third, or lengthen the warm-up"
                raise fail("T344", f"the loss is no number any more at step {step}", help=help)
            self.tokens += sum(lengths[row] for row in trainer.steps[step - 1])
            speed = self.tokens / (time.monotonic() - self.begun)
            progress.tell(step, state.max_steps, f"loss {loss:.2f} · {speed:.0f} tok/s")

    return Teller()


def mean_loss(model: Any, rows: Sequence[Example], pad: int, shared: int, size: int) -> float:
    """Cross-entropy in nats per learned token, without dropout; 0.0 for no rows."""
    import torch

    plain, total = model.get_base_model().eval(), 0.0
    ordered = sorted(rows, key=len)
    with torch.no_grad():
        for first in range(0, len(ordered), size):
            ids, labels = padded(ordered[first : first + size], pad, model.device)
            total += float(answer_loss(plain, ids, labels, shared))
    return total / max(1, sum(len(row.answer) for row in rows))


def padded(rows: Sequence[Example], pad: int, device: Any) -> tuple[Any, Any]:
    import torch

    longest = max(map(len, rows))
    ids = [row.tokens + [pad] * (longest - len(row)) for row in rows]
    labels = [row.labels + [-100] * (longest - len(row)) for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(labels, device=device)


def write_adapter(model: Any, folder: Path) -> None:
    """The adapter as PEFT reads it, without its model card, and with no path, time or order that may vary."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: t.detach().cpu().contiguous() for name, t in sorted(get_peft_model_state_dict(model).items())}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = model.peft_config[model.active_adapter].to_dict()
    config |= {"base_model_name_or_path": None, "revision": None, "inference_mode": True}
    plain = json.dumps(config, default=lambda value: sorted(value) if isinstance(value, set) else str(value))
    write_json(folder / "adapter_config.json", json.loads(plain))


def what_is_shared(model: Any, rows: Sequence[Example], wish: Literal["auto", "on", "off"]) -> int:
    """How many tokens each step runs once for all its rows. Raises T343 when it must and cannot."""
    if wish == "off":
        return 0
    longest, able = common_prefix(rows), shareable(model)
    if wish == "on" and not (longest and able):
        why = "the base model's attention does not allow it" if not able else "no token begins all prompts"
        raise fail("T343", f"training.shared_prefix is on, but {why}", help="set training.shared_prefix to auto")
    worth = longest > 0 if wish == "on" else longest >= WORTH
    return longest if able and worth else 0


def _write_curve(path: Path, losses: Sequence[float]) -> None:
    """CSV of step and loss: the mean loss of every few steps, at the last of them."""
    every = max(1, len(losses) // CURVE_POINTS)
    parts = [losses[first : first + every] for first in range(0, len(losses), every)]
    lines = [f"{min((n + 1) * every, len(losses))},{sum(part) / len(part):.6f}" for n, part in enumerate(parts)]
    path.write_text("\n".join(["step,loss", *lines]) + "\n", encoding="utf-8")


def _report(
    train: Sequence[Example],
    dev: Sequence[Example],
    losses: Sequence[float],
    dev_loss: float,
    shared: int,
    params: TrainParams,
) -> dict[str, Any]:
    last = losses[-max(1, len(losses) // 10) :]
    return {
        "rows": len(train),
        "dev_rows": len(dev[:DEV_ROWS]),
        "steps": len(losses),
        "tokens_per_epoch": sum(map(len, train)),
        "learned_tokens_per_epoch": sum(len(row.answer) for row in train),
        "shared_prefix_tokens": shared,
        "train_loss": round(sum(last) / len(last), 6),
        "dev_loss": round(dev_loss, 6),
        "seed": params.seed,
    }


@contextmanager
def silence() -> Iterator[None]:
    """Nothing but progress is told: the libraries' bars, notes and warnings are not for the user."""
    import datasets

    names = ("transformers", "trl", "peft", "accelerate", "datasets")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


STAGE = Stage(
    name="train",
    summary="Trains a LoRA adapter on the train rows",
    run=run,
    inputs=Inputs,
    params=TrainParams,
    outputs=Outputs,
    per="variant",
    libraries=("torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "safetensors", "jinja2"),
)
