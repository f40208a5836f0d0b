"""A training's whole state, out of a trainer and back into one: so exactly that the bytes of the adapter are those of a
run that was never cut off. transformers' own resume goes on without a word where optimizer or random numbers are
missing, and reads pickles; here all of it is in one checkpoint, or the checkpoint is none.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages import checkpoints, parallel, progress
from stages.checkpoints import Checkpoint
from stages.diagnostics import Diagnostic, fail
from stages.exhausted import disk_is_full

EVERY = 60.0  # seconds between checkpoints, at least
SHARE = 0.02  # of a run's time that they may take


@dataclass
class Kept:
    """What a run keeps beside the trainer's own state: each of `lists` grows with its steps, `facts` are set.

    lists: name -> numbers of every step so far. tensors: more of them, by name. read: takes the facts back.
    """

    lists: Mapping[str, list[Any]]
    tensors: Callable[[], Mapping[str, Any]] = dict
    facts: Callable[[], Mapping[str, Any]] = dict
    read: Callable[[Mapping[str, Any], Mapping[str, Any]], None] = lambda facts, tensors: None


def trained(model: Any) -> dict[str, Any]:
    """The parameters that are trained, by name, in the model's order."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


# ---------------------------------------------------------------- out of a trainer


def capture(trainer: Any, kept: Kept) -> Checkpoint:
    """The state after the step that has just ended."""
    import torch

    optimizer = trainer.optimizer.state_dict()
    tensors = {
        f"weight/{name}": parallel.whole(parameter.detach()) for name, parameter in trained(trainer.model).items()
    }
    for index, state in optimizer["state"].items():
        tensors |= {
            f"optimizer/{index}/{name}": parallel.whole(torch.as_tensor(value)) for name, value in state.items()
        }
    tensors |= {f"kept/{name}": tensor for name, tensor in kept.tensors().items()}
    for rank, states in enumerate(parallel.of_each(torch_random())):
        tensors |= {f"{_random(rank)}{name}": state for name, state in states.items()}
    rest = {
        "groups": optimizer["param_groups"],
        "schedule": _plain(trainer.lr_scheduler.state_dict()),
        "python": random.getstate(),
        "numpy": _numpy_random(),
        "lists": {name: list(values) for name, values in kept.lists.items()},
        "facts": dict(kept.facts()),
        "threads": torch.get_num_threads(),
        "device": trainer.model.device.type,
        "processes": trainer.accelerator.num_processes,
    }
    apart = {name: tensor.cpu().contiguous().clone() for name, tensor in tensors.items()}
    return Checkpoint(trainer.state.global_step, apart, rest)


def _random(rank: int) -> str:
    """Where a process's random numbers stand: those of the first one as those of the only one."""
    return f"random@{rank}/" if rank else "random/"


def torch_random() -> dict[str, Any]:
    """The state of torch's random numbers, of the CPU and of each GPU."""
    import torch

    found = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        found |= {f"cuda{index}": state for index, state in enumerate(torch.cuda.get_rng_state_all())}
    return found


def restore_torch_random(states: Mapping[str, Any]) -> None:
    """What `torch_random` gave; a checkpoint's tensors come by name, so cuda10 before cuda2."""
    import torch

    torch.set_rng_state(states["cpu"])
    if torch.cuda.is_available():
        numbers = sorted(int(name.removeprefix("cuda")) for name in states if name != "cpu")
        torch.cuda.set_rng_state_all([states[f"cuda{number}"] for number in numbers])


def _numpy_random() -> list[Any]:
    import numpy as np

    name, keys, *rest = np.random.get_state()
    return [name, [int(key) for key in keys], *rest]


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """What JSON can hold of a schedule: its functions are made anew."""
    return {name: value for name, value in state.items() if not callable(value) and name != "lr_lambdas"}


# ---------------------------------------------------------------- back into one


def fits(trainer: Any, checkpoint: Checkpoint, kept: Kept) -> bool:
    """Whether nothing is missing: every weight in its shape, an optimizer's state for each, and random numbers."""
    rest, expected = checkpoint.rest, trained(trainer.model)
    weights = _below("weight/", checkpoint.tensors)
    shapes = [{name: tuple(one.shape) for name, one in of.items()} for of in (expected, weights)]
    whole = {"groups", "schedule", "python", "numpy", "lists", "facts", "threads"} <= rest.keys()
    return (
        whole
        and shapes[0] == shapes[1]
        and len(_optimizer_state(checkpoint.tensors)) == len(expected)
        and "random/cpu" in checkpoint.tensors
        and rest["lists"].keys() == kept.lists.keys()
        and rest["device"] == trainer.model.device.type
        and rest.get("processes", 1) == trainer.accelerator.num_processes
    )


def restore(trainer: Any, checkpoint: Checkpoint, kept: Kept) -> None:
    """All but the random numbers, which the start of an epoch draws from. The optimizer has to be there already."""
    import torch

    rest, weights = checkpoint.rest, _below("weight/", checkpoint.tensors)
    state = _optimizer_state(checkpoint.tensors)
    with torch.no_grad():
        for name, parameter in trained(trainer.model).items():
            parameter.copy_(parallel.parted(weights[name], parameter))
    held = [parameter for group in trainer.optimizer.param_groups for parameter in group["params"]]
    state = {index: _parted(one, held[index]) for index, one in state.items()}
    trainer.optimizer.load_state_dict({"state": state, "param_groups": rest["groups"]})
    trainer.lr_scheduler.load_state_dict({**trainer.lr_scheduler.state_dict(), **rest["schedule"]})
    for name, values in kept.lists.items():
        values[:] = rest["lists"][name]
    kept.read(rest["facts"], _below("kept/", checkpoint.tensors))
    trainer.state.global_step = checkpoint.step


def _parted(state: Mapping[str, Any], parameter: Any) -> dict[str, Any]:
    """An optimizer's numbers of a parameter; those of its shape are held as it is."""
    return {name: parallel.parted(t, parameter) if t.shape == parameter.shape else t for name, t in state.items()}


def restore_random(checkpoint: Checkpoint) -> None:
    import numpy as np

    restore_torch_random(_below(_random(parallel.rank()), checkpoint.tensors))
    version, words, gauss = checkpoint.rest["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, *others = checkpoint.rest["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *others))


def _below(prefix: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _optimizer_state(tensors: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for name, tensor in _below("optimizer/", tensors).items():
        index, _, what = name.partition("/")
        found.setdefault(int(index), {})[what] = tensor
    return found


# ---------------------------------------------------------------- a run


@dataclass
class Resuming:
    """Goes on from the newest checkpoint of this stage that is whole, and keeps new ones on the way.

    home: where they are; None: a run without any. found: where it goes on from.
    """

    trainer: Any
    kept: Kept
    home: Path | None = field(default_factory=checkpoints.place)
    found: Checkpoint | None = None

    def begin(self) -> int:
        """Look for a checkpoint; gives the steps that are done. Threads are those of the run that is gone on with,
        for another number of them rounds otherwise."""
        import torch

        for one in checkpoints.newest(self.home) if self.home else ():
            if fits(self.trainer, one, self.kept):
                self.found = one
                break
            message = (
                f"the checkpoint of step {one.step} is not of this run; training goes on from an older one, or anew"
            )
            progress.warn(Diagnostic("T660", message, help="nothing is to be done", severity="warning"))
        if self.found:
            torch.set_num_threads(int(self.found.rest["threads"]))
            progress.tell(self.found.step, None, "going on from a checkpoint")
        return self.found.step if self.found else 0

    def callback(self) -> Any:
        """What the trainer calls."""
        from transformers import TrainerCallback

        run = self

        class Keeper(TrainerCallback):  # type: ignore[misc]
            last, took, restored = time.monotonic(), 0.0, False

            def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
                if run.found:
                    restore(run.trainer, run.found, run.kept)

            def on_step_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
                if run.found and not self.restored:
                    restore_random(run.found)
                    self.restored = True

            def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
                began = time.monotonic()
                due = began - self.last >= max(EVERY, self.took / SHARE)
                if run.home and not control.should_training_stop and parallel.agreed(due):
                    run.save()
                    self.last = time.monotonic()
                    self.took = self.last - began

        return Keeper()

    def save(self) -> None:
        """Raises T380 when the disk is full."""
        if self.home is None:
            return
        try:
            state = capture(self.trainer, self.kept)
            if parallel.rank() == 0:
                checkpoints.save(self.home, state)
        except Exception as error:
            if not disk_is_full(error):
                raise
            kept = next((folder.name for folder in sorted(self.home.glob("step-*"), reverse=True)), None)
            note = f"kept: {self.home / kept}" if kept else "no checkpoint was written yet"
            help = "free some space and build again: training goes on from the last checkpoint"
            raise fail(
                "T380", "the disk is full; a checkpoint could not be written", notes=(note,), help=help
            ) from None
