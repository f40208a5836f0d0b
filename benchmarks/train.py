"""Training beside TRL's own SFTTrainer: the same rows, model, adapter, rows a step and order of magnitude of steps.

    .venv/bin/python benchmarks/train.py [--part booking|contract|skewed|memory|same_bytes|fill] [--times 3]
    .venv/bin/python benchmarks/train.py --part contract --times 1 --into runs.jsonl     (again and again, then)
    .venv/bin/python benchmarks/train.py --times 0 --into runs.jsonl                     (the figures of all of them)

A part with --times 1 takes some minutes; --into keeps its runs, so that the figures can be taken a piece at a time.
Speed is counted in the rows' own tokens (prompt and answer; no padding, and a shared prefix once for every row), so it
says how fast rows are learned, however that is done. Each way runs in a process of its own, on the idle cores; they
take turns, several times, and medians are compared. On a busy machine the figures mean little: the machine's
speed (float32 products of a step's shape) is told with them. Peak memory is each process's own.
"""

from __future__ import annotations

import argparse
import json
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
# What makes the contract prompt one of some 175 tokens.
BRIEF = (
    "Extract the booking slots from the message as JSON. You read messages of guests of a restaurant. Take every slot "
    "word for word from the message, and leave out what it does not say. Never add a slot that was not asked for, and "
    "never write anything beside the JSON object. A number of people may be a figure or words. A time may be a range."
)
SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "best": {"gradient_checkpointing": False, "train_sampling_strategy": "group_by_length"},
    "float32": {"gradient_checkpointing": False, "train_sampling_strategy": "group_by_length", "bf16": False},
}  # packing is slower than padding on a CPU (67 tokens a second beside 192, and 15 GB), so it is not run
# What our dev loss is held against: plain steps of the same rows in the same order. The others draw orders of their
# own, which moves the loss of few steps by far more than anything else does.
SAME_STEPS: dict[str, Any] = {"gradient_checkpointing": False, "train_sampling_strategy": "sequential", "bf16": False}


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


# Rows, prompt, and how many times as fast as TRL's defaults and as its best settings it is to be.
SPEEDS = {"booking": ("system", 4, 1.5), "contract": ("contract", 9, 4)}
PARTS = (*SPEEDS, "skewed", "memory", "same_bytes", "fill")


def _compare(given: argparse.Namespace) -> None:
    parts, speed = given.part or PARTS, _sgemm()
    if "fill" in parts:
        _fill(given)
    for part in SPEEDS.keys() & set(parts):
        _speed(part, *SPEEDS[part], given)
    if "skewed" in parts:
        skewed = _medians(("tunec", "defaults"), "skewed", "none", given)
        if skewed:
            times = skewed["tunec"]["tokens_per_second"] / skewed["defaults"]["tokens_per_second"]
            _at_least("skewed_against_defaults", times, 2)
    if "memory" in parts:
        _memory(given)
    if "same_bytes" in parts:
        _same_bytes(given)
    figure("machine_sgemm", (speed + _sgemm()) / 2, "GFLOPS", None)


def _speed(name: str, prompt: str, defaults: float, best: float, given: argparse.Namespace) -> None:
    found = _medians(("tunec", *SETTINGS, "same_steps"), name, prompt, given)
    if found:
        for way, one in found.items():
            figure(f"{name}_{way}_tokens_per_second", one["tokens_per_second"], "tokens/s", None)
            figure(f"{name}_{way}_peak_memory", one["peak_memory_gb"], "GB", 3 if way == "tunec" else None)
        ours, plain = found["tunec"], found["defaults"]
        rival = max(found[way]["tokens_per_second"] for way in SETTINGS if way != "defaults")
        _at_least(f"{name}_against_defaults", ours["tokens_per_second"] / plain["tokens_per_second"], defaults)
        _at_least(f"{name}_against_best", ours["tokens_per_second"] / rival, best)
        right = found["same_steps"]["dev_loss"]
        off = abs(ours["dev_loss"] - right) / right
        figure(f"{name}_dev_loss_apart", 100 * off, "%", 1)


def _memory(given: argparse.Namespace) -> None:
    """Peaks of the process while it trains on rows of 512 tokens, one at a time: what a row's length costs."""
    found = _medians(("tunec", "qlora"), "long", "none", given)
    if found:
        lora, qlora = (found[way]["peak_memory_gb"] for way in ("tunec", "qlora"))
        figure("memory_lora_512", lora, "GB", 3)
        figure("memory_qlora_512", qlora, "GB", round(lora, 3))


def _same_bytes(given: argparse.Namespace) -> None:
    """The adapter of five runs, each in a process and a folder of its own."""
    steps = argparse.Namespace(**{**vars(given), "steps": 4, "times": 1, "into": None})
    found = [_medians(("bytes",), "booking", "system", steps)["bytes"]["sha256"] for _ in range(5)]
    _at_least("same_bytes", max(map(found.count, found)), 5, "of 5 runs")


def _fill(given: argparse.Namespace) -> None:
    """Real tokens among those that are computed, a shared prefix once a step and padding included, in percent."""
    from stages.prefix import WORTH, batches

    told = argparse.Namespace(**{**vars(given), "steps": 80})
    for name, prompt in (("booking", "system"), ("contract", "contract"), ("skewed", "none")):
        found = _in_a_process("lengths", name, prompt, told)
        lengths, shared = found["lengths"], found["shared"] if found["shared"] >= WORTH else 0
        steps = batches(lengths, BATCH, 1, 0)
        run = sum(shared + (max(lengths[row] for row in step) - shared) * len(step) for step in steps)
        real = sum(shared + sum(lengths[row] - shared for row in step) for step in steps)
        _at_least(f"fill_{name}", 100 * real / run, 95, "%")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--part", action="append", choices=PARTS)
    parser.add_argument("--into", type=Path)
    parser.add_argument("--float32", action="store_true", help="both sides, as on a processor without bfloat16")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--way")
    parser.add_argument("--base", type=Path)
    parser.add_argument("--rows-in", default="booking")
    parser.add_argument("--prompt", default="system")
    return parser.parse_args()


def _at_least(name: str, value: float, bound: float, unit: str = "times") -> None:
    told = {"figure": name, "value": round(value, 2), "unit": unit, "least": bound, "holds": value >= bound}
    print(json.dumps(told), flush=True)


def _medians(ways: tuple[str, ...], rows: str, prompt: str, given: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Of each way the median of its runs, those kept before included; nothing where one has no run."""
    kept = _kept(given.into, rows)
    for _ in range(given.times):
        for way in ways:
            run = _in_a_process(way, rows, prompt, given)
            kept.setdefault(way, []).append(run)
            if given.into:
                with given.into.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"rows": rows, "way": way, "run": run}) + "\n")
    if not all(kept.get(way) for way in ways):
        return {}
    return {way: {name: _middle([run[name] for run in kept[way]]) for name in kept[way][0]} for way in ways}


def _middle(values: list[Any]) -> Any:
    return values[0] if isinstance(values[0], str) else statistics.median(values)


def _kept(file: Path | None, rows: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    lines = file.read_text(encoding="utf-8").splitlines() if file and file.is_file() else []
    for one in map(json.loads, lines):
        if one["rows"] == rows:
            found.setdefault(one["way"], []).append(one["run"])
    return found


def _in_a_process(way: str, rows: str, prompt: str, given: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, __file__, "--way", way, "--rows-in", rows, "--prompt", prompt]
    command += ["--base", str(given.base), "--steps", str(given.steps), *(["--float32"] if given.float32 else [])]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return dict(json.loads(done.stdout.splitlines()[-1]))


# ---------------------------------------------------------------- one way, in a process of its own


def _run(given: argparse.Namespace) -> dict[str, Any]:
    from stages import threads
    from stages.train import silence

    threads.use_idle_cores()
    if given.way == "lengths":
        return _own_lengths(given)
    with silence(), tempfile.TemporaryDirectory() as folder:
        train, dev = _rows(given.rows_in, given.steps)
        lesson = _lesson(train, dev, given, Path(folder))
        if given.way == "bytes":
            return _bytes(lesson, Path(folder))
        return _ours(lesson) if given.way in ("tunec", "qlora") else _theirs(given.way, lesson, train, dev)


def _rows(name: str, steps: int) -> tuple[list[Any], list[Any]]:
    """Rows for so many steps, and 64 of dev. skewed: plain answers, most short and a few twenty times as long. long: a
    row a step, of 512 tokens at most and nearly.
    """
    from stages.rows import Row

    many = steps * BATCH + 64
    if name == "long":
        made = [Row(f"r{n}", {"text": f"{n % 10} and more " * 122}, {"people": str(n % 10)}) for n in range(steps + 8)]
        return made[8:], made[:8]
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


def _params(given: argparse.Namespace) -> Any:
    from stages.lessons import TrainParams
    from tunec.compiling import compile_workspace

    overrides = [
        *([f"system_prompt='{BRIEF}'"] if given.prompt == "contract" else []),
        f"training.prompt={given.prompt}",
        f"training.adapter={'qlora' if given.way == 'qlora' else 'lora'}",
        f"training.batch_size={1 if given.rows_in == 'long' else BATCH}",
        "training.epochs=1",
        "training.max_length=2048",
    ]
    instance = next(i for i in compile_workspace(ROOT, overrides).plan.instances if i.stage.name == "train")
    return TrainParams(**instance.params)


def _lesson(train: list[Any], dev: list[Any], given: argparse.Namespace, folder: Path) -> Any:
    from stages.base_model import trainable
    from stages.catalog import Adapter, members
    from stages.lessons import Lesson
    from stages.rows import write_rows
    from stages.weights import rounds

    for name, rows in (("train", train), ("dev", dev)):
        write_rows(folder / f"{name}.jsonl", rows)
    params = _params(given)
    adapter = members("stages.adapters", "ADAPTER", Adapter)[params.adapter]
    model, tokenizer = adapter.load(trainable(given.base), "cpu")
    files = folder / "train.jsonl", folder / "dev.jsonl"
    rounded = rounds("cpu") and not given.float32
    return Lesson(model, tokenizer, *files, params, adapter, str(folder), rounded=rounded)


def _bytes(lesson: Any, folder: Path) -> dict[str, Any]:
    from stages.learning import run
    from stages.methods.sft import METHOD
    from stages.rows import sha256

    ready = METHOD.prepare(lesson)
    run(ready.trainer)
    lesson.adapter.write(ready.trainer.model, folder / "adapter")
    return {"sha256": sha256(folder / "adapter" / "adapter_model.safetensors")}


def _own_lengths(given: argparse.Namespace) -> dict[str, Any]:
    from stages import weights
    from stages.base_model import trainable
    from stages.supervision import common_prefix, examples

    params = _params(given)
    tokenizer = weights.tokenizer_of(trainable(given.base))
    rows, _ = _rows(given.rows_in, given.steps)
    made = examples(rows, tokenizer, params.prompting, params.contract, 2048)
    return {"lengths": list(map(len, made)), "shared": common_prefix(made)}


def _ours(lesson: Any) -> dict[str, float]:
    from stages.learning import run
    from stages.methods.sft import METHOD

    ready = METHOD.prepare(lesson)
    began = time.monotonic()
    run(ready.trainer)
    seconds = time.monotonic() - began
    return _figures(sum(ready.lengths), seconds, ready.dev()["dev_loss"])


def _theirs(way: str, lesson: Any, train: list[Any], dev: list[Any]) -> dict[str, float]:
    """TRL's SFTTrainer on the same tokens, its completion alone learned. It computes in bfloat16 by itself, which it is
    let do where the processor has it; any other would take ten times as long."""
    from datasets import Dataset
    from transformers import set_seed
    from trl import SFTConfig, SFTTrainer

    from stages.methods.sft import mean_loss
    from stages.supervision import examples

    params, pad = lesson.params, lesson.tokenizer.pad_token_id
    how = lesson.tokenizer, params.prompting, params.contract, 2048
    made, held = (examples(rows, *how) for rows in (train, dev))
    settings: dict[str, Any] = {
        "output_dir": lesson.scratch,
        "per_device_train_batch_size": BATCH,
        "num_train_epochs": 1,
        "learning_rate": params.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": round(params.warmup_ratio * len(made) / BATCH),
        "weight_decay": params.weight_decay,
        "max_length": max(1024, *map(len, made)),
        "completion_only_loss": True,
        "seed": params.seed,
        "report_to": "none",
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "use_cpu": True,
        "bf16": lesson.rounded,
    }
    args = SFTConfig(**settings | (SAME_STEPS if way == "same_steps" else SETTINGS[way]))
    columns = [
        {"input_ids": one.tokens, "completion_mask": [0] * len(one.prompt) + [1] * len(one.answer)}
        for one in (_as_we_order(made, params) if way == "same_steps" else made)
    ]
    set_seed(params.seed)
    rows, tokenizer = Dataset.from_list(columns), lesson.tokenizer
    trainer = SFTTrainer(lesson.model, args, train_dataset=rows, processing_class=tokenizer, peft_config=_lora(params))
    began = time.monotonic()
    trainer.train()
    seconds = time.monotonic() - began
    return _figures(sum(map(len, made)), seconds, mean_loss(trainer.model, held, pad, 0, BATCH))


def _as_we_order(made: list[Any], params: Any) -> list[Any]:
    from stages.prefix import batches

    return [made[row] for step in batches([len(one) for one in made], BATCH, 1, params.seed) for row in step]


def _lora(params: Any) -> Any:
    from peft import LoraConfig

    return LoraConfig(task_type="CAUSAL_LM", r=params.lora.r, lora_alpha=params.lora.alpha, target_modules="all-linear")


def _figures(tokens: int, seconds: float, dev_loss: float) -> dict[str, float]:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"tokens_per_second": tokens / seconds, "dev_loss": dev_loss, "peak_memory_gb": peak / 1e9}


def _sgemm() -> float:
    from build import sgemm

    return sgemm()


if __name__ == "__main__":
    main()
