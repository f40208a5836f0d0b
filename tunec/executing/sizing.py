"""What a stage takes, from what it took: seconds and memory of its last runs, or of others of its kind."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from compiler.plan import Instance, Plan
from stages import history
from stages.history import Ran
from tunec.executing.base import Needs, Slots
from tunec.executing.schedule import Task

_LATEST = 5  # runs that count
_COMPUTE = {"torch", "llama-cpp-python"}  # what computes with these takes a GPU, where there are any
_BYTES = {"train": 16, "export": 8}  # a weight, roughly, while a stage that was never run before works on it
_BYTES_ELSE = 4


def tasks(root: Path, plan: Plan) -> dict[str, Task]:
    """Every stage of a plan with what it reads and what it takes."""
    past = {instance.name: history.recall(root, instance.name).runs[-_LATEST:] for instance in plan.instances}
    alike: dict[str, list[Ran]] = {}
    for instance in plan.instances:
        alike.setdefault(instance.stage.name, []).extend(past[instance.name])
    return {one.name: _task(one, past[one.name] or alike[one.stage.name]) for one in plan.instances}


def _task(instance: Instance, runs: Sequence[Ran]) -> Task:
    compute = bool(_COMPUTE & set(instance.made.libraries))
    known = [run.memory for run in runs if run.memory]
    memory = max(known, default=_guess(instance) if compute else 0)
    seconds = median(run.seconds for run in runs) if runs else None
    return Task(instance.name, frozenset(instance.after), Needs(int(compute), memory), seconds)


def _guess(instance: Instance) -> int:
    """Bytes, by the number of weights, where the base model's is known."""
    model = instance.params.get("model")
    weights = model.get("parameters") if isinstance(model, Mapping) else None
    return int(weights or 0) * _BYTES.get(instance.stage.name, _BYTES_ELSE)


def slots(jobs: int) -> Slots:
    """What this machine has for so many stages side by side: its GPUs, and the memory that is free now."""
    import psutil

    return Slots(jobs, len(gpus()), int(psutil.virtual_memory().available * 0.9))


def gpus() -> list[str]:
    """The GPUs that this process may use, by the names that CUDA_VISIBLE_DEVICES takes."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name for name in given.split(",") if name]
    return sorted(path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))
