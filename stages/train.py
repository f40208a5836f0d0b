"""Trains the base model on the train rows: by a method of stages/methods/, through an adapter of stages/adapters/."""

from __future__ import annotations

import logging
import math
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from stages import progress
from stages.base import Adapter, At, Made, Method, Read, Stage, Write, fail, members
from stages.base_model import trainable
from stages.lessons import Lesson, Prepared, TrainParams
from stages.rows import write_json

CURVE_POINTS = 200


@dataclass(frozen=True)
class Inputs:
    train: Annotated[Path, Read("splits.train")]
    dev: Annotated[Path, Read("splits.dev")]
    model: Annotated[Path, Read("model.base")]


@dataclass(frozen=True)
class Outputs:
    adapter: Annotated[Path, Write("adapter", kind="folder")]
    curve: Annotated[Path, Write("curve.csv", kind="plot", x="step", y="loss")]
    report: Annotated[Path, Write("report.json", kind="metrics")]


def run(inputs: Inputs, params: TrainParams, out: Outputs) -> None:
    """Train on the train rows by the method, and write down what was trained.

    out.adapter: of LoRA, adapter_model.safetensors and adapter_config.json as PEFT reads them; of full,
    model.safetensors. out.curve: CSV of step, loss (of sft and cpt in nats per learned token) and what else the method
    tells of a step. out.report: rows, tokens, steps, losses; no times, so that the same inputs give the same bytes (on
    the same number of threads).
    Raises T344 when the loss is no number any more, T345 and T386 for modules that the model lacks, T385 without
    bitsandbytes, and what the method's `prepare` raises for rows.
    Source: of each method in stages/methods/, of each adapter in stages/adapters/.
    """
    from stages import threads, weights

    method = members("stages.methods", "METHOD", Method)[params.method]
    adapter = members("stages.adapters", "ADAPTER", Adapter)[params.adapter]
    progress.tell(0, None, "loading the base model")
    threads.use_idle_cores()
    with silence(), tempfile.TemporaryDirectory() as scratch:
        model, tokenizer = adapter.load(trainable(inputs.model), weights.training_device())
        ready = method.prepare(Lesson(model, tokenizer, inputs.train, inputs.dev, params, adapter, scratch))
        learn(ready)
        measured = ready.dev()
    adapter.write(ready.trainer.model, out.adapter)
    _write_curve(out.curve, {"loss": ready.trainer.losses, **ready.series})
    write_json(out.report, _report(ready, measured, params))


def learn(ready: Prepared) -> None:
    """Run the trainer to its end, and tell how far it is."""
    from transformers.trainer_callback import PrinterCallback

    ready.trainer.remove_callback(PrinterCallback)
    ready.trainer.add_callback(_teller(ready))
    ready.trainer.train()


def _teller(ready: Prepared) -> Any:
    """Tells how far training is after every step, and stops one that has nothing left to learn from (T344)."""
    from transformers import TrainerCallback

    trainer = ready.trainer
    told = ready.series or {"loss": trainer.losses}

    class Teller(TrainerCallback):  # type: ignore[misc]
        begun, tokens = time.monotonic(), 0

        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            step, loss = state.global_step, trainer.losses[-1]
            if not math.isfinite(loss):
                help = "lower training.learning_rate to a third, or lengthen the warm-up"
                raise fail("T344", f"the loss is no number any more at step {step}", help=help)
            self.tokens += sum(ready.lengths[row] for row in trainer.steps[step - 1])
            speed = self.tokens / (time.monotonic() - self.begun)
            figures = " · ".join(f"{name} {values[-1]:.2f}" for name, values in told.items())
            progress.tell(step, state.max_steps, f"{figures} · {speed:.0f} tok/s")

    return Teller()


def _write_curve(path: Path, series: Mapping[str, Sequence[float]]) -> None:
    """CSV of step and every series: the mean of every few steps, at the last of them."""
    steps = len(series["loss"])
    every = max(1, steps // CURVE_POINTS)
    lines = [f"step,{','.join(series)}"]
    for first in range(0, steps, every):
        means = [f"{_mean(values[first : first + every]):.6f}" for values in series.values()]
        lines.append(f"{min(first + every, steps)},{','.join(means)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _report(ready: Prepared, measured: Mapping[str, float], params: TrainParams) -> dict[str, Any]:
    """Of what is told of every step, the mean of the last tenth."""
    losses = ready.trainer.losses
    last = max(1, len(losses) // 10)
    told = {"loss": losses, **ready.series}
    means = {f"train_{name}": round(_mean(values[-last:]), 6) for name, values in told.items()}
    figures = {name: round(value, 6) for name, value in measured.items()}
    return {**ready.counts, **means, **figures, "steps": len(losses), "seed": params.seed}


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


LIBRARIES = (
    *("torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "datasets", "tokenizers"),
    *("safetensors", "jinja2"),
)


def _made(at: At, params: Mapping[str, Any]) -> Made:
    """Its own method and adapter, not those of all trainings; of the metrics, the one that rates a model's answers."""
    method, adapter, reward = params["method"], params["adapter"], params.get("reward")
    members = [f"stages.methods.{method}", f"stages.adapters.{adapter}"]
    rated = ("numpy", "jsonschema") if reward else ()
    members += [f"stages.metrics.{reward}"] if reward else []
    return Made(f"train-{method}-{adapter}", (*LIBRARIES, *rated), members=tuple(members))


STAGE = Stage(
    name="train",
    summary="Trains the base model on the train rows",
    run=run,
    inputs=Inputs,
    params=TrainParams,
    outputs=Outputs,
    per="variant",
    made=_made,
)
