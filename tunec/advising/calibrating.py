"""A few steps of a training, tried here: what all of it would take. In a process of its own, which tells its memory.

`python -m tunec.advising.calibrating` reads {inputs, params} as JSON, and prints {seconds, memory, steps}.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TRIED = 12  # steps, spread over the whole run, its longest among them
_FIRST = 2  # of them that are not counted: memory is taken and kernels are chosen then
_ASKED = 1 / 3  # of what a row costs in training, asking it costs: no gradient
_LONGEST = 180  # seconds that a trial may take


@dataclass(frozen=True)
class Tried:
    """seconds: of the whole training, loading and asking the dev rows with it. memory: bytes at most. steps: tried."""

    seconds: float
    memory: int
    steps: int


def calibrated(root: Path, instance: Any) -> Tried | str:
    """Try it, or say why not: the rows have to be parted and the model unpacked, which their own stages do."""
    inputs = {name: str(given) for name, given in instance.inputs.items() if isinstance(given, str | Path)}
    missing = [path for path in inputs.values() if not (root / path).exists()]
    if missing:
        stages = sorted({path.split("/")[1] for path in missing if path.startswith("build/")})
        return f"it never ran; `tunec build {' '.join(stages)}` makes what a few tried steps need"
    asked = json.dumps({"inputs": inputs, "params": instance.params})
    command = [sys.executable, "-m", "tunec.advising.calibrating"]
    try:
        done = subprocess.run(
            command, cwd=root, input=asked, capture_output=True, text=True, timeout=_LONGEST, env=environment()
        )
    except subprocess.TimeoutExpired:
        return f"a few steps took more than {_LONGEST} s"
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it ended without a word"]
        return f"a few steps could not be tried: {last[0][:200]}"
    return Tried(**json.loads(done.stdout.splitlines()[-1]))


def environment() -> dict[str, str]:
    """Ours: the folder of a workspace is never on the path of what it starts."""
    import os

    home = str(Path(__file__).parent.parent.parent)
    return {**os.environ, "PYTHONPATH": home, "PYTHONSAFEPATH": "1"}


def trial(inputs: dict[str, str], params: dict[str, Any]) -> Tried:
    """Load, prepare, run _TRIED steps, and reckon the others by the tokens that they hold."""
    import tempfile

    from stages import threads, weights
    from stages.base_model import trainable
    from stages.catalog import Adapter, Method, members
    from stages.lessons import Lesson, TrainParams
    from stages.train import silence

    began = time.monotonic()
    given = TrainParams(**{name: value for name, value in params.items() if name in TrainParams.model_fields})
    method = members("stages.methods", "METHOD", Method)[given.method]
    adapter = members("stages.adapters", "ADAPTER", Adapter)[given.adapter]
    threads.use_idle_cores()
    with silence(), tempfile.TemporaryDirectory() as scratch:
        device = weights.training_device()
        model, tokenizer = adapter.load(trainable(Path(inputs["model"])), device)
        start = Path(inputs["start"]) if "start" in inputs else None
        rows = Path(inputs["train"]), Path(inputs["dev"])
        lesson = Lesson(model, tokenizer, *rows, given, adapter, scratch, start, rounded=weights.rounds(device))
        ready = method.prepare(lesson)
        prepared = time.monotonic() - began
        every = [_tokens(ready, step) for step in ready.trainer.steps]
        times = _run(ready)
    tried = times[_FIRST:] or times
    a_token = sum(seconds for _, seconds in tried) / max(1, sum(tokens for tokens, _ in tried))
    dev = ready.counts.get("dev_rows", 0) * sum(ready.lengths) / max(1, len(ready.lengths))
    seconds = prepared + a_token * (sum(every) + _ASKED * dev)
    return Tried(round(seconds, 1), _peak(), len(times))


def _tokens(ready: Any, step: Sequence[int]) -> int:
    """That a step computes: rows are padded to its longest; a shared prefix is run once."""
    shared = getattr(ready.trainer, "shared", 0)
    longest = max(ready.lengths[row] for row in step)
    return int(len(step) * (longest - shared) + shared)


def _run(ready: Any) -> list[tuple[int, float]]:
    """(tokens, seconds) of the steps that are tried."""
    from stages.learning import run

    trainer = ready.trainer
    every = sorted(trainer.steps, key=lambda step: _tokens(ready, step))
    places = sorted({round(n * (len(every) - 1) / (_TRIED - 1)) for n in range(_TRIED)}, reverse=True)
    trainer.steps = [every[place] for place in places]
    trainer.args.max_steps = len(trainer.steps)
    clock = _Clock()
    run(trainer, clock)
    return [(_tokens(ready, step), taken) for step, taken in zip(trainer.steps, clock.taken, strict=False)]


class _Clock:
    """The seconds of each step."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def callback(self) -> Any:
        from transformers import TrainerCallback

        taken = self.taken

        class Clock(TrainerCallback):  # type: ignore[misc]
            began = 0.0

            def on_step_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
                self.began = time.monotonic()

            def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
                taken.append(time.monotonic() - self.began)

        return Clock()


def _peak() -> int:
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    found: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found * unit


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    found = trial(asked["inputs"], asked["params"])
    print(json.dumps({"seconds": found.seconds, "memory": found.memory, "steps": found.steps}))
