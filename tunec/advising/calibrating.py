"""A few steps of a training, tried here: what all of it would take. In a process of its own, which tells its memory.

`python -m tunec.advising.calibrating` reads {inputs, params} as JSON, and prints {seconds, memory, gpu, steps}.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stages.lessons import TrainParams

_TRIED = 12  # steps of all lengths, the shortest and the longest among them
_FIRST = 2  # of them that are not counted: memory is taken and kernels are chosen then
_ASKED = 16  # dev rows that are asked, at least: as many as a training asks at once
_PROBED = 3  # rates that training.rate_probe tries
_LONGEST = 180  # seconds that a trial may take


@dataclass(frozen=True)
class Tried:
    """seconds: of the whole training, loading and asking the dev rows with it. memory: bytes at most; gpu: those on a
    GPU. steps: tried."""

    seconds: float
    memory: int | None
    gpu: int | None
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
    """Begin as the stage begins, run _TRIED steps, ask the longest dev rows, and reckon the others by their tokens."""
    from stages import learning, peaks
    from stages.lessons import TrainParams
    from stages.train import Inputs, begun

    began = time.monotonic()
    given = TrainParams(**{name: value for name, value in params.items() if name in TrainParams.model_fields})
    asked = Inputs(**{name: Path(path) for name, path in inputs.items()})
    with begun(asked, given) as this:
        prepared = time.monotonic() - began
        learning.shorten(this.ready.trainer, given.budget.steps)
        steps = [_tokens(this.ready, step) for step in this.ready.trainer.steps]
        times = _run(this.ready)
        dev = _dev(this.ready, given.batch_size)
    a_token = _a_token(times)
    seconds = _reckoned(given, [a_token * tokens for tokens in steps], dev)
    return Tried(round(prepared + seconds, 1), peaks.of_process(), peaks.of_gpu(), len(times))


def _a_token(times: Sequence[tuple[int, float]]) -> float:
    """Seconds of one, by (tokens, seconds) of steps."""
    tried = times[_FIRST:] or times
    return sum(seconds for _, seconds in tried) / max(1, sum(tokens for tokens, _ in tried))


def _reckoned(given: TrainParams, steps: Sequence[float], dev: float) -> float:
    """The seconds of a training, by those of each of its steps and of a look at dev."""
    learning = sum(steps) + dev * max(1, min(given.dev.checks, len(steps)))
    most = 60 * given.budget.minutes if given.budget.minutes is not None else learning
    probing = _PROBED * (sum(steps[: given.rate_probe]) + dev) if given.rate_probe else 0.0
    return probing + min(learning, most)


def _tokens(ready: Any, step: Sequence[int]) -> int:
    """That a step computes: rows are padded to the longest that is computed with them; a shared prefix is run once."""
    from stages.prefix import pieces

    shared = int(getattr(ready.trainer, "shared", 0))
    together = pieces(step, ready.trainer.at_once)
    return sum(len(rows) * (max(ready.lengths[row] for row in rows) - shared) + shared for rows in together)


def _run(ready: Any) -> list[tuple[int, float]]:
    """(tokens, seconds) of the steps that are tried, in the order in which the training takes them."""
    from stages.learning import run

    trainer = ready.trainer
    every = sorted(range(len(trainer.steps)), key=lambda place: _tokens(ready, trainer.steps[place]))
    places = {every[round(n * (len(every) - 1) / (_TRIED - 1))] for n in range(_TRIED)}
    trainer.steps = [trainer.steps[place] for place in sorted(places)]
    trainer.args.max_steps = len(trainer.steps)
    clock = _Clock()
    run(trainer, clock)
    return [(_tokens(ready, step), taken) for step, taken in zip(trainer.steps, clock.taken, strict=False)]


def _dev(ready: Any, batch_size: int) -> float:
    """The seconds that all dev rows take, by those of the longest: what one batch of them holds counts as memory."""
    most = max(_ASKED, batch_size)
    began = time.monotonic()
    ready.dev(most)
    taken = time.monotonic() - began
    return taken * float(sum(ready.dev_lengths) / max(1, sum(ready.dev_lengths[-most:])))


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


if __name__ == "__main__":
    from stages.diagnostics import UserError

    asked = json.load(sys.stdin)
    try:
        found = trial(asked["inputs"], asked["params"])
    except UserError as error:  # the stage would refuse it, too
        sys.exit("; ".join(f"{one.code}: {one.message}" for one in error.diagnostics))
    print(json.dumps(asdict(found)))
