"""Training beside TRL's own SFTTrainer: the same rows, model, adapter, rows a step and order of magnitude of steps.

    .venv/bin/python benchmarks/train.py [--steps 24] [--times 3]

Speed is counted in the rows' own tokens (prompt and answer; no padding, and a shared prefix once for every row), so it
says how fast rows are learned, however that is done. Each way runs in a process of its own, on the idle cores; they run
one after the other, several times, and medians are compared. On a busy machine the figures mean little: the machine's
speed (float32 products of a step's shape) is told with them. Peak memory is each process's own.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from figures import figure

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
BATCH = 8
SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "best": {"gradient_checkpointing": False, "train_sampling_strategy": "group_by_length"},
    "packed": {"gradient_checkpointing": False, "packing": True, "padding_free": True},
}


def main() -> None:
    given = _arguments()
    if given.way:
        print(json.dumps(_run(given)))
        return
    with tempfile.TemporaryDirectory() as folder:
        given.base = _unpacked(Path(folder))
        _compare(given)


def _unpacked(folder: Path) -> Path:
    """The example's base model, as the `model` stage leaves it."""
    from stages import model
    from tunec.compiling import compile_workspace

    instance = next(i for i in compile_workspace(ROOT, []).plan.instances if i.stage.name == "model")
    outputs = model.Outputs(folder / "base", folder / "facts.json")
    model.run(model.Inputs(), model.ModelParams(**instance.params), outputs)
    return outputs.base


def _compare(given: argparse.Namespace) -> None:
    speed = _sgemm()
    for name, prompt, defaults, best in (("booking", "system", 4, 1.5), ("contract", "contract", 9, 4)):
        found = {way: _median(way, name, prompt, given) for way in ("tunec", *SETTINGS)}
        for way, one in found.items():
            figure(f"{name}_{way}_tokens_per_second", one["tokens_per_second"], "tokens/s", None)
            figure(f"{name}_{way}_peak_memory", one["peak_memory_gb"], "GB", 3 if way == "tunec" else None)
        ours, plain = found["tunec"], found["defaults"]
        rival = max(found[way]["tokens_per_second"] for way in SETTINGS if way != "defaults")
        _at_least(f"{name}_against_defaults", ours["tokens_per_second"] / plain["tokens_per_second"], defaults)
        _at_least(f"{name}_against_best", ours["tokens_per_second"] / rival, best)
        off = abs(ours["dev_loss"] - plain["dev_loss"]) / plain["dev_loss"]
        figure(f"{name}_dev_loss_apart", 100 * off, "%", 1)
    skewed = {way: _median(way, "skewed", "none", given)["tokens_per_second"] for way in ("tunec", "defaults")}
    _at_least("skewed_against_defaults", skewed["tunec"] / skewed["defaults"], 2)
    figure("machine_sgemm", (speed + _sgemm()) / 2, "GFLOPS", None)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--way")
    parser.add_argument("--base", type=Path)
    parser.add_argument("--rows-in", default="booking")
    parser.add_argument("--prompt", default="system")
    return parser.parse_args()


def _at_least(name: str, times: float, bound: float) -> None:
    print(
        json.dumps({"figure": name, "value": round(times, 2), "unit": "times", "least": bound, "holds": times >= bound})
    )


def _median(way: str, rows: str, prompt: str, given: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, "--way", way, "--rows-in", rows, "--prompt", prompt]
    command += ["--base", str(given.base), "--steps", str(given.steps)]
    runs = []
    for _ in range(given.times):
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        if done.returncode:
            sys.exit(done.stderr[-3000:])
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


# ---------------------------------------------------------------- one way, in a process of its own


def _run(given: argparse.Namespace) -> dict[str, float]:
    from stages import threads
    from stages.train import silence

    threads.use_idle_cores()
    with silence(), tempfile.TemporaryDirectory() as folder:
        train, dev = _rows(given.rows_in, given.steps)
        lesson = _lesson(train, dev, given.prompt, Path(folder), given.base)
        return _ours(lesson) if given.way == "tunec" else _theirs(given.way, lesson, train, dev)


def _rows(name: str, steps: int) -> tuple[list[Any], list[Any]]:
    """Rows for so many steps, and 64 of dev. skewed: plain answers, most short and a few twenty times as long."""
    from stages.rows import Row

    many = steps * BATCH + 64
    if name == "skewed":
        draw = random.Random(3)  # noqa: S311
        words = [str(draw.randrange(10_000)) for _ in range(many)]
        longs = [1 if draw.random() < 0.9 else 20 for _ in range(many)]
        made = [
            Row(f"r{n}", {"text": f"{w} and more " * 4 * k}, {"people": w})
            for n, (w, k) in enumerate(zip(words, longs, strict=True))
        ]
    else:
        lines = (ROOT / "data" / "raw" / "booking_slots.jsonl").read_text(encoding="utf-8").splitlines()
        found = [json.loads(line) for line in lines[:many]]
        fields = ("people", "date", "time", "first_name", "last_name")
        made = [
            Row(
                f"r{n}",
                {"text": one["text"], "requested_slots": one.get("requested_slots", "")},
                one.get("output") or {name: one[name] for name in fields if one.get(name)},
            )
            for n, one in enumerate(found)
        ]
    return made[64:], made[:64]


def _params(prompt: str) -> Any:
    from stages.train import TrainParams
    from tunec.compiling import compile_workspace

    given = [
        f"training.prompt={prompt}",
        f"training.batch_size={BATCH}",
        "training.epochs=1",
        "training.max_length=2048",
    ]
    instance = next(i for i in compile_workspace(ROOT, given).plan.instances if i.stage.name == "train")
    return TrainParams(**instance.params)


def _lesson(train: list[Any], dev: list[Any], prompt: str, folder: Path, base: Path) -> Any:
    from stages.adapters.lora import ADAPTER
    from stages.base_model import trainable
    from stages.lessons import Lesson
    from stages.rows import write_rows

    for name, rows in (("train", train), ("dev", dev)):
        write_rows(folder / f"{name}.jsonl", rows)
    model, tokenizer = ADAPTER.load(trainable(base), "cpu")
    files = folder / "train.jsonl", folder / "dev.jsonl"
    return Lesson(model, tokenizer, *files, _params(prompt), ADAPTER, str(folder))


def _ours(lesson: Any) -> dict[str, float]:
    from stages.learning import run
    from stages.methods.sft import METHOD

    ready = METHOD.prepare(lesson)
    began = time.monotonic()
    run(ready.trainer)
    seconds = time.monotonic() - began
    return _figures(sum(ready.lengths), seconds, ready.dev()["dev_loss"])


def _theirs(way: str, lesson: Any, train: list[Any], dev: list[Any]) -> dict[str, float]:
    """TRL's SFTTrainer on the same tokens, its completion alone learned."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    from stages.methods.sft import mean_loss
    from stages.supervision import examples

    params, pad = lesson.params, lesson.tokenizer.pad_token_id
    how = lesson.tokenizer, params.prompting, params.contract, 2048
    made, held = (examples(rows, *how) for rows in (train, dev))
    args = SFTConfig(
        output_dir=lesson.scratch,
        per_device_train_batch_size=BATCH,
        num_train_epochs=1,
        learning_rate=params.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=math.ceil(params.warmup_ratio * len(made) / BATCH),
        max_length=max(1024, *map(len, made)),
        completion_only_loss=True,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        bf16=False,
        **SETTINGS[way],
    )
    columns = [
        {"input_ids": one.tokens, "completion_mask": [0] * len(one.prompt) + [1] * len(one.answer)} for one in made
    ]
    lora = LoraConfig(task_type="CAUSAL_LM", r=params.lora.r, lora_alpha=params.lora.alpha, target_modules="all-linear")
    rows = Dataset.from_list(columns)
    tokenizer = lesson.tokenizer
    trainer = SFTTrainer(lesson.model, args, train_dataset=rows, processing_class=tokenizer, peft_config=lora)
    began = time.monotonic()
    trainer.train()
    seconds = time.monotonic() - began
    return _figures(sum(map(len, made)), seconds, mean_loss(trainer.model, held, pad, 0, BATCH))


def _figures(tokens: int, seconds: float, dev_loss: float) -> dict[str, float]:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"tokens_per_second": tokens / seconds, "dev_loss": dev_loss, "peak_memory_gb": peak / 1e9}


def _sgemm() -> float:
    from build import sgemm

    return sgemm()


if __name__ == "__main__":
    main()
