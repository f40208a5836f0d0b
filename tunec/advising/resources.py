"""What a build takes: time and memory from past runs of the same stages, or from a few steps that are tried; disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from compiler import Compiled
from stages import history
from tunec.shown import duration

# Bits of a weight in a GGUF of each format, with what stands beside the weights.
_BITS = {"f16": 16.1, "q8_0": 8.6, "q6_k": 6.7, "q5_k_m": 5.8, "q4_k_m": 5.0, "iq4_xs": 4.5, "q3_k_m": 4.1, "q2_k": 3.4}
_USUAL_BITS = 5.0
_FLOAT = 4  # bytes of a merged weight


@dataclass(frozen=True)
class Taken:
    """seconds, memory (bytes), gpu (bytes on a GPU): of a training; None where nothing tells. how: whose word it is."""

    stage: str
    seconds: float | None
    memory: int | None
    how: str
    gpu: int | None = None


@dataclass(frozen=True)
class Resources:
    """disk: bytes of the files that a variant adds, from sizes alone; None where the model's is not known."""

    trainings: tuple[Taken, ...]
    disk: int | None

    def json(self) -> dict[str, Any]:
        return {"trainings": [vars(one) for one in self.trainings], "disk": self.disk}

    def lines(self) -> Iterator[str]:
        for one in self.trainings:
            time = f"about {duration(one.seconds)}" if one.seconds is not None else "time not known"
            memory = f", {one.memory / 1e9:.1f} GB" if one.memory is not None else ""
            gpu = f", {one.gpu / 1e9:.1f} GB of the GPU" if one.gpu is not None else ""
            yield f"  {one.stage}: {time}{memory}{gpu} ({one.how})"
        if self.disk is not None:
            yield f"  disk: about {self.disk / 1e9:.1f} GB a model, by its number of weights"


def resources(root: Path, compiled: Compiled, *, calibrate: bool) -> Resources:
    """Of every variant's training. calibrate: try a few steps where rows and model are there and nothing ran."""
    found = []
    for instance in compiled.plan.instances:
        if instance.stage.name != "train":
            continue
        past = history.recall(root, instance.name).runs
        if past:
            told = f"the median of {len(past)} past runs" if len(past) > 1 else "its last run"
            memory, gpu = (_middle(getattr(run, name) for run in past) for name in ("memory", "gpu"))
            found.append(Taken(instance.name, median(run.seconds for run in past), memory, told, gpu))
        elif calibrate:
            found.append(_tried(root, instance))
        else:
            found.append(Taken(instance.name, None, None, "it never ran; --measure tries a few steps"))
    return Resources(tuple(found), _disk(compiled))


def _middle(known: Iterable[int | None]) -> int | None:
    found = [one for one in known if one]
    return round(median(found)) if found else None


def _tried(root: Path, instance: Any) -> Taken:
    from tunec.advising.calibrating import calibrated

    tried = calibrated(root, instance)
    if isinstance(tried, str):
        return Taken(instance.name, None, None, tried)
    how = f"from {tried.steps} steps that were tried here"
    return Taken(instance.name, tried.seconds, tried.memory, how, tried.gpu)


def _disk(compiled: Compiled) -> int | None:
    weights = compiled.task.base_model.parameters
    if weights is None:
        return None
    bits = sum(_BITS.get(name, _USUAL_BITS) for name in ("f16", *compiled.task.quantization.formats))
    return round(weights * (_FLOAT + bits / 8))
