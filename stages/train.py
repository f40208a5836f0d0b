"""Trains the base model on the train rows: by a method of stages/methods/, through an adapter of stages/adapters/."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from stages import curves, diagnosing, gpu, kernels, memory, parallel, probing, progress, signals
from stages.base import At, File, Made, Read, Stage, Write
from stages.base_model import trainable
from stages.catalog import Adapter, Method, members
from stages.diagnostics import about
from stages.engines._labels import label_tokens
from stages.learning import Learned, learn
from stages.lessons import Lesson, Prepared, TrainParams
from stages.rows import write_json


@dataclass(frozen=True)
class Inputs:
    """start: what the training before this one wrote. general: rows of general knowledge, scored before and after."""

    train: Annotated[Path, Read("mix.train"), Read("augment.train"), Read("splits.train")]
    dev: Annotated[Path, Read("splits.dev")]
    model: Annotated[Path, Read("model.base")]
    start: Annotated[Path | None, Read("before.adapter", when=lambda at: at.first is not None)] = None
    general: Annotated[Path | None, File("training.signals.general")] = None


@dataclass(frozen=True)
class Outputs:
    adapter: Annotated[Path, Write("adapter", kind="folder")]
    curve: Annotated[Path, Write("curve.csv", kind="plot", x="step", y="loss")]
    report: Annotated[Path, Write("report.json", kind="metrics")]


def run(inputs: Inputs, params: TrainParams, out: Outputs) -> None:
    """Train on the train rows by the method, and write down what was trained.

    out.adapter: of LoRA, adapter_model.safetensors and adapter_config.json as PEFT reads them; of full,
    model.safetensors. out.curve: CSV of step, loss (of sft and cpt in nats per learned token) and what else is known
    of a step. out.report: rows, tokens, steps, losses, signals; no times, so that the same inputs give the same bytes
    (on the same number of threads, unless training.budget.minutes cuts it off).
    Warns of what its own figures say against it (T806).
    Raises T344 and T662 for a loss that diverges, T345 and T386 for modules that the model lacks, T385 without
    bitsandbytes, T710 for labels that are no tokens of their own to the model, T665 when memory cannot hold it, T805
    without Liger, T666 for general rows, and what the method's `prepare` raises.
    Source: of each method in stages/methods/, of each adapter in stages/adapters/.
    """
    if how := parallel.asked():
        parallel.run(how, inputs, params, out)
    else:
        _train(inputs, params, out)


@dataclass(frozen=True)
class Begun:
    """thrifty: whether activations are computed twice."""

    lesson: Lesson
    method: Method
    ready: Prepared
    thrifty: bool


@contextmanager
def begun(inputs: Inputs, params: TrainParams) -> Iterator[Begun]:
    """All that is done before the first step. Inside, nothing but progress is told."""
    from stages import threads, weights

    method = members("stages.methods", "METHOD", Method)[params.method]
    adapter = members("stages.adapters", "ADAPTER", Adapter)[params.adapter]
    progress.tell(0, None, "loading the base model")
    threads.use_idle_cores()
    kernels.keep_few()
    with silence(), tempfile.TemporaryDirectory() as scratch, gpu.deterministic(params.deterministic):
        device = weights.training_device()
        with about("training.base_model"):
            model, tokenizer = adapter.load(trainable(inputs.model), device)
        label_tokens(params.contract.labels, lambda text: tokenizer(text, add_special_tokens=False)["input_ids"])
        gpu.add_liger(model, params.liger)
        given = model, tokenizer, inputs.train, inputs.dev, params, adapter, scratch, inputs.start
        lesson = Lesson(*given, rounded=weights.rounds(device))
        ready = method.prepare(lesson)
        yield Begun(lesson, method, ready, memory.fit(ready, params.gradient_checkpointing))


def _train(inputs: Inputs, params: TrainParams, out: Outputs) -> None:
    """In this process, or in one of several that do the same."""
    with begun(inputs, params) as this:
        ready, looking = this.ready, diagnosing.Looking(this.lesson, this.ready, this.method, inputs.general)
        before = looking.general_loss()
        probed = probing.probe(ready, params.rate_probe) if params.rate_probe else None
        learned = learn(ready, params.dev, params.budget)
        found = looking.signals(learned, before)
    for name, signal in found.get("signals", {}).items():
        progress.warn(signals.told(name, signal))
    this.lesson.adapter.write(ready.trainer.model, out.adapter)
    curves.write(out.curve, ready, learned)
    report = _report(ready, learned, params) | found | ({"rate_probe": probed.report()} if probed else {})
    write_json(out.report, report | ({"gradient_checkpointing": True} if this.thrifty else {}))


def _report(ready: Prepared, learned: Learned, params: TrainParams) -> dict[str, Any]:
    """Of what is told of every step, the mean of the last tenth."""
    losses = ready.trainer.losses
    last = max(1, len(losses) // 10)
    told = {"loss": losses, **ready.series}
    means = {f"train_{name}": round(curves.mean(values[-last:]), 6) for name, values in told.items()}
    figures = {name: round(value, 6) for name, value in learned.measured.items()}
    ended = {"stopped": learned.why} if learned.why else {}
    kept = {"kept_step": learned.kept} if learned.dev else {}
    return {**ready.counts, **means, **figures, "steps": learned.steps, "seed": params.seed, **kept, **ended}


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
    kernels = ("liger-kernel",) if params.get("liger") else ()
    return Made(f"train-{method}-{adapter}", (*LIBRARIES, *rated, *kernels), members=tuple(members))


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
