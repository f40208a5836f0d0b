"""What stages that run side by side share, when `execution` has a word in it."""

from __future__ import annotations

from compiler.execution import Execution
from tunec.executing.base import Slots


def shared(found: Slots, execution: Execution) -> Slots:
    """`found`, which is what this machine has, as `execution.slots` says. Stages that run elsewhere take nothing of
    this machine: of them only what is written counts.
    """
    here, written = execution.type == "local", execution.slots
    gpus = written.gpus if written.gpus is not None else found.gpus if here else 0
    memory = int(written.memory * 1e9) if written.memory is not None else found.memory if here else None
    return Slots(found.jobs, gpus, memory)
