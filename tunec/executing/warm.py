"""Stages that begin with their libraries imported: torch and transformers take a stage longer to import than it works.

    python -P warm.py FOLDER      serves at FOLDER/socket until its standard input ends

A build holds one such process for the stages that run on this machine, and names its socket in TUNEC_WARM. `tunec run
STAGE`, where the stage's fingerprint names transformers, hands over its streams, its folder and its environment; a fork
does the work, and says how it ended. That fork ends with the command that asked for it and with the build, as any
process of a stage does, and the next one knows nothing of it. Only libraries are imported before a fork, none of our
own modules. Without a build, or where the process is gone, a stage imports for itself.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any

ADDRESS = "TUNEC_WARM"
KILLED = 137  # what a shell says of a command that SIGKILL ended
_LONGEST = 100  # bytes of a socket's path that every system takes
_LIBRARIES = ("torch", "transformers.modeling_utils")


# ---------------------------------------------------------------- of a build


@contextmanager
def warm() -> Iterator[dict[str, str]]:
    """Gives what the stages of a build need in their environment. Nothing is imported before one asks."""
    with TemporaryDirectory(prefix="tunec-warm-") as folder:  # which nobody else may enter
        address = Path(folder, "socket")
        if not hasattr(os, "fork") or len(os.fsencode(address)) > _LONGEST:
            yield {}
            return
        command, nowhere = [sys.executable, "-P", __file__, folder], subprocess.DEVNULL
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=nowhere, stderr=nowhere) as process:
            try:
                yield {ADDRESS: str(address)}
            finally:
                process.terminate()


# ---------------------------------------------------------------- of a stage


def run(stage: str) -> int | None:
    """Run a stage in a fork of the warm process: its exit code, or None where it has to import for itself."""
    address = os.environ.get(ADDRESS)
    named = _fingerprint(stage) if address else set()
    if not address or "transformers" not in named:
        return None
    with socket.socket(socket.AF_UNIX) as link:
        try:
            _ask(link, address, {"stage": stage, "load": "llama-cpp-python" not in named, "environ": dict(os.environ)})
        except OSError:
            return None
        return _answer(link)


def _ask(link: socket.socket, address: str, asked: Mapping[str, Any]) -> None:
    link.connect(address)
    here = os.open(".", os.O_RDONLY)
    try:
        socket.send_fds(link, [b"."], [0, 1, 2, here])
        link.sendall(json.dumps(asked).encode() + b"\n")
    finally:
        os.close(here)


def _answer(link: socket.socket) -> int:
    """The fork's exit code. It hears by the link that we are gone; Ctrl-C reaches it as well, and is its to tell of."""
    from stages import runner

    runner.die_with_parents()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError):
        return int(link.makefile().readline() or KILLED)
    return KILLED


def _fingerprint(stage: str) -> set[str]:
    """The libraries and modules that the guard wrote down for a stage."""
    from stages.rows import read_yaml

    with suppress(OSError, ValueError, LookupError, TypeError):
        reads = read_yaml(Path("dvc.yaml"))["stages"][stage]["deps"]
        [file] = [path for path in reads if path.startswith("build/guard/")]
        return {line.split()[0] for line in Path(file).read_text(encoding="utf-8").splitlines()}
    return set()


# ---------------------------------------------------------------- the process itself

_ended: list[tuple[socket.socket, int]] = []  # of a fork that is done: whom to tell, and its exit code


def main() -> None:
    atexit.register(_tell)  # the first to be registered is the last to be called, when libraries have cleaned up
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries the forks
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)  # by idle BLAS threads
    folder = Path(sys.argv[1])
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "making"))
        server.listen()
        (folder / "making").rename(folder / "socket")
        waited: list[Any] = [server, 0]
        while 0 not in select.select(waited, [], [])[0]:
            link, _ = server.accept()
            with link, suppress(OSError, ValueError):
                _, streams, _, _ = socket.recv_fds(link, 1, 4)
                _serve(link, streams, json.loads(link.makefile().readline()))
    rmtree(folder, ignore_errors=True)  # the build is gone, and may have been killed


def _serve(link: socket.socket, streams: Sequence[int], asked: Mapping[str, Any]) -> None:
    if asked["load"]:
        with suppress(Exception):  # what cannot be imported is the stage's to tell of
            for name in _LIBRARIES:
                import_module(name)
    if os.fork() == 0:
        sys.exit(_work(link.dup(), streams, asked["stage"], asked["environ"]))
    for stream in streams:
        os.close(stream)


def _work(link: socket.socket, streams: Sequence[int], stage: str, environ: Mapping[str, str]) -> int:
    """In the fork: `tunec run STAGE`, as a process that DVC itself had started would do it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, stream in enumerate(streams[:3]):
        os.dup2(stream, number)
    os.fchdir(streams[3])
    for stream in streams:
        os.close(stream)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout, sys.stderr = (os.fdopen(n, "w", buffering=1, encoding="utf-8", closefd=False) for n in (1, 2))
    os.environ.clear()
    os.environ.update({name: value for name, value in environ.items() if name != ADDRESS})
    if "torch" in sys.modules and (threads := environ.get("OMP_NUM_THREADS", "")).isdecimal():
        sys.modules["torch"].set_num_threads(int(threads))  # it was imported without
    threading.Thread(target=_end_with, args=[link], daemon=True).start()
    sys.argv = ["tunec", "run", stage]
    from tunec.start import main as tunec

    try:
        tunec()
    except SystemExit as end:
        _ended.append((link, int(end.code or 0)))
    return _ended[0][1]


def _end_with(link: socket.socket) -> None:
    """End, with all that was begun here, when the command that asked for it is gone."""
    from stages.runner import end_with_children

    with suppress(OSError):
        link.recv(1)
    end_with_children()


def _tell() -> None:
    for link, code in _ended:
        sys.stdout.flush()
        sys.stderr.flush()
        with suppress(OSError):
            link.sendall(b"%d\n" % code)


if __name__ == "__main__":
    main()
