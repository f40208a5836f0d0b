"""Stages that begin with their libraries imported: torch and transformers take a stage longer to import than it works.

A build holds one process (forking.py) for the stages that run on this machine, and names its socket in TUNEC_WARM.
`tunec run STAGE`, where the stage's fingerprint names transformers, hands over its streams, its folder and its
environment; a fork does the work, and how it ended is the command's own end. The fork ends when that command is gone,
and with the build. Without a build, where the process is gone or cannot fork, and where TUNEC_WARM was set to nothing,
a stage imports for itself: the same bytes, later.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tunec.executing.forking import ADDRESS, BEGUN, KILLED

_FORKING = Path(__file__).with_name("forking.py")
_LONGEST = 100  # bytes of a socket's path that every system takes


# ---------------------------------------------------------------- of a build


@contextmanager
def warm() -> Iterator[dict[str, str]]:
    """Gives what the stages of a build need in their environment. Nothing is imported before one asks."""
    with ExitStack() as stack:
        try:
            environ = _started(stack)
        except OSError:  # no room in the temporary folder, no process to be had: then there is none
            environ = {}
        yield environ


def _started(stack: ExitStack) -> dict[str, str]:
    if sys.platform != "linux" or os.environ.get(ADDRESS) == "":  # elsewhere a library may not bear a fork
        return {}
    folder = stack.enter_context(TemporaryDirectory(prefix="tunec-warm-"))  # which nobody else may enter
    address = str(Path(folder, "socket"))
    if len(os.fsencode(address)) > _LONGEST:
        return {}
    command, nowhere = [sys.executable, "-P", str(_FORKING), folder], subprocess.DEVNULL
    env = {**os.environ, "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}  # whether there is a GPU is asked without touching it
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=nowhere, stderr=nowhere, env=env)
    stack.enter_context(process)
    stack.callback(process.terminate)
    return {ADDRESS: address}


# ---------------------------------------------------------------- of a stage


def run(stage: str) -> int | None:
    """Run a stage in a fork of the warm process: its exit code, or None where it has to import for itself."""
    address = os.environ.get(ADDRESS)
    named = _libraries(stage) if address else set()
    if not address or "transformers" not in named:
        return None
    from stages.ending import die_with_parents

    die_with_parents()
    with socket.socket(socket.AF_UNIX) as link:
        try:
            _ask(link, address, {"stage": stage, "load": "llama-cpp-python" not in named, "environ": dict(os.environ)})
            return _answer(link)
        except OSError:
            return None


def _ask(link: socket.socket, address: str, asked: Mapping[str, Any]) -> None:
    link.connect(address)
    here = os.open(".", os.O_RDONLY)
    try:
        socket.send_fds(link, [b"."], [0, 1, 2, here])
        link.sendall(json.dumps(asked).encode() + b"\n")
    finally:
        os.close(here)


def _answer(link: socket.socket) -> int | None:
    """The fork's exit code; None where none began. It hears by the link that we are gone; Ctrl-C reaches it as well,
    and is its to tell of.
    """
    lines = link.makefile("rb")
    if lines.readline() != BEGUN:
        return None
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError, ValueError):
        return int(lines.readline())
    return KILLED  # with the process that would have told


def _libraries(stage: str) -> set[str]:
    """Those that a stage computes with; the names of its modules are among them."""
    from tunec.executing.recorded import fingerprint

    return {line.split()[0] for line in (fingerprint(Path(), stage) or "").splitlines() if line.strip()}
