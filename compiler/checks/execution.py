"""Where a build runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compiler.checks._check import Found, Look, check
from compiler.execution import HOST, READS, Execution
from compiler.resolve import COMMAND_LINE


@check("T144")
def remote_has_a_host(look: Look) -> Iterator[Found]:
    """`execution.type: remote_ssh` without a host.

    Write `host: user@name`.
    """
    execution = look.task.execution
    if execution.type == "remote_ssh" and not execution.host:
        yield Found("a remote build needs a host", "execution.type", "add `host: user@name`")


@check("T145")
def host_is_a_name(look: Look) -> Iterator[Found]:
    """A host that is no `user@name`: an option of ssh, a command or a path could hide in it.

    Write a name with letters, digits, dots and dashes; ports and keys stand in keys of their own, or in ~/.ssh/config.
    """
    host = look.task.execution.host
    if host is not None and not re.fullmatch(HOST, host):
        help = "write it like user@gpu-server; a port stands in `port`, a key in `key`"
        yield Found("this is no host", "execution.host", help)


@check("T803")
def parallel_fits_the_training(look: Look) -> Iterator[Found]:
    """`execution.parallel` beside what several processes cannot share.

    grpo tries its answers in one process; qlora's four bits cannot be parted (`fsdp`); `processes` says how many only
    beside `parallel`. Remove the key, or train otherwise.
    """
    execution, training = look.task.execution, look.task.training
    if execution.processes and not execution.parallel:
        yield Found("`processes` without `parallel`", "execution.processes", "add `parallel: ddp`", key=True)
    if execution.parallel and training.method == "grpo":
        yield Found("grpo tries its answers in one process", "execution.parallel", "remove it for this task")
    if execution.parallel == "fsdp" and training.adapter == "qlora":
        help = "write `parallel: ddp`, or train with `adapter: lora`"
        yield Found("weights in four bits cannot be parted", "execution.parallel", help)


@check("T146", "warning")
def keys_are_used(look: Look) -> Iterator[Found]:
    """A host for a build that runs on this machine, or another key that the execution's type does not read.

    Remove it, or write the `type` that reads it.
    """
    type, said = look.task.execution.type, look.span("execution.type")
    if said and said.file == COMMAND_LINE:  # for this build; what the task says of another place waits for the next
        return
    for key in Execution.model_fields:
        if key not in ("type", "slots", *READS[type]) and look.written(f"execution.{key}"):
            readers = " or ".join(f"`type: {other}`" for other, read in READS.items() if key in read)
            yield Found(f"a {type} build has no {key}", f"execution.{key}", f"remove it, or write {readers}", key=True)
