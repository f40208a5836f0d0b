"""One training on several processes, a GPU each: accelerate joins them, torch's launcher starts them.

`execution.parallel` asks for it. ddp: each process holds the whole model, takes its part of every step's rows, and the
gradients are averaged. fsdp: weights, gradients and optimizer are parted (FSDP2), for a training that one GPU cannot
hold. The rows of a step are the same as in one process, and so is what is learned, but for the rounding of sums.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from stages import checkpoints, progress, threads
from stages.diagnostics import UserError, fail, spoken
from stages.lessons import plain
from stages.rows import write_json

ASKED = "TUNEC_PARALLEL"  # HOW:PROCESSES, from tunec/executing/local.py
RANK = "TUNEC_RANK_OF"  # set in the processes themselves: HOW
MODULE = "stages.rank"  # what each of them runs
PATIENCE = 20.0  # seconds in which the launcher ends what it started
SAID = "tunec: "  # how a line of ours begins among those of libraries


class Asked(NamedTuple):
    how: str
    processes: int


def asked() -> Asked | None:
    """What this process is to start; None for a training in this one. Raises T802 without a number on a machine
    without GPUs."""
    how, _, many = os.environ.get(ASKED, "").partition(":")
    if not how or RANK in os.environ:
        return None
    import torch

    processes = int(many) if many else torch.cuda.device_count()
    if not processes or (torch.cuda.is_available() and processes > torch.cuda.device_count()):
        what = f"{processes} processes want a GPU each" if processes else "execution.parallel takes a process a GPU"
        help = "write execution.processes, or take execution.parallel out"
        raise fail(
            "T802", f"{what}, and this machine has {torch.cuda.device_count()}", help=help, key="execution.parallel"
        )
    return Asked(how, processes) if processes > 1 else None


def shard(model: Any) -> bool:
    """Part a model's weights over the processes, in place, where fsdp is asked for; whether that was so.

    Layer by layer, so that a process holds but one layer whole at a time. A trainer has to be there already: TRL's
    read and copy whole weights when they begin.
    """
    if os.environ.get(RANK) != "fsdp":
        return False
    from torch.distributed.fsdp import fully_shard

    layers: list[Any] = [module for module in model.modules() if isinstance(module, _layers(model))]
    for layer in layers:
        fully_shard(layer)
    fully_shard(model, reshard_after_forward=True)
    return True


def _layers(model: Any) -> tuple[type, ...]:
    """The classes that the family's modules must not be parted in, by the names that transformers gives them."""
    names = set(getattr(plain(model), "_no_split_modules", None) or ())
    return tuple({type(module) for module in model.modules() if type(module).__name__ in names})


def part(step: Sequence[int], rank: int, processes: int) -> list[int]:
    """A process's rows of a step. Of fewer rows than processes, some are run twice."""
    enough = list(step) if len(step) >= processes else (list(step) * processes)[:processes]
    return enough[rank::processes]


def agreed(mine: bool) -> bool:
    """What the first process says: a clock is another in each, and all have to do the same."""
    import torch.distributed as together

    if not (together.is_available() and together.is_initialized()):
        return mine
    said = [mine]
    together.broadcast_object_list(said)
    return bool(said[0])


def whole(tensor: Any) -> Any:
    """A tensor that is parted over the processes, put together; all of them have to ask."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def parted(tensor: Any, like: Any) -> Any:
    """A whole tensor as another one is held: each process keeps its part."""
    if not hasattr(like, "full_tensor"):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)


def of_each(mine: Any) -> list[Any]:
    """What every process has of something, in their order."""
    import torch.distributed as together

    if not (together.is_available() and together.is_initialized()):
        return [mine]
    found = [None] * together.get_world_size()
    together.all_gather_object(found, mine)
    return found


def rank() -> int:
    return int(os.environ["RANK"]) if RANK in os.environ else 0


def caller(model: Any) -> Any:
    """What has to be called for a model whose weights are parted; None for any other, which may be called itself."""
    return model if os.environ.get(RANK) == "fsdp" else None


# ---------------------------------------------------------------- the process that starts the others


def run(how: Asked, inputs: Any, params: Any, out: Any) -> None:
    """The train stage in so many processes: raises what the first of them raises. They end with this process."""
    given = {
        "inputs": {name: _text(getattr(inputs, name)) for name in ("train", "dev", "model", "start", "general")},
        "params": params.model_dump(mode="json"),
        "out": {field.name: str(getattr(out, field.name)) for field in fields(out)},
        "checkpoints": _text(checkpoints.place()),
    }
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder, "job.json")
        write_json(job, given)
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command = [*launcher, "--nproc-per-node", str(how.processes), "-m", MODULE, str(job)]
        with subprocess.Popen(
            command,
            env=_environment(how),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            try:
                _hear(process)
            finally:
                _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """The launcher ends its processes; where it cannot, they see that it is gone."""
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _environment(how: Asked) -> dict[str, str]:
    own = {RANK: how.how, "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": str(max(1, threads.idle_cores() // how.processes))}
    return {**os.environ, **own}


def _hear(process: subprocess.Popen[str]) -> None:
    refused, failed = [], []
    for line in process.stdout or ():
        if not line.startswith(SAID):
            continue
        said = json.loads(line.removeprefix(SAID))
        if "refused" in said:
            refused.append([spoken(one) for one in said["refused"]])
        elif "failed" in said:
            failed.append(said["failed"])
        elif "warned" in said:
            progress.warn(spoken(said["warned"]))
        else:
            progress.tell(said["done"], said["total"], said["note"])
    if refused:
        raise UserError(*refused[0])
    if process.wait():
        raise RuntimeError("a training process failed:\n" + "\n".join(failed))


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
