"""Where a build runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compiler.checks._check import Found, Look, check

# What ssh takes as one word that is no option and no command.
_HOST = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


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

    Write a name with letters, digits, dots and dashes; ports and keys stand in ~/.ssh/config.
    """
    host = look.task.execution.host
    if host is not None and not _HOST.fullmatch(host):
        help = "write it like user@gpu-server; ports and keys stand in ~/.ssh/config"
        yield Found("this is no host", "execution.host", help)


@check("T146", "warning")
def host_is_used(look: Look) -> Iterator[Found]:
    """A host for a build that runs on this machine.

    Remove it, or write `type: remote_ssh`.
    """
    if look.task.execution.type == "local" and look.written("execution.host"):
        help = "remove it, or write `type: remote_ssh`"
        yield Found("a local build has no host", "execution.host", help, key=True)
