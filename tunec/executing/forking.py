"""A process that imports what takes long, once, and forks for each stage that asks: see warm.py.

    python -P forking.py FOLDER      serves at FOLDER/socket until its standard input ends

Only libraries are imported before a fork, none of our own modules. What a fork shares with its like, and a process of
its own does not: the seed of Python's hashes, numpy's random state before a stage seeds it, and the threads of numpy's
own BLAS.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from shutil import rmtree
from typing import Any, NamedTuple, NoReturn

ADDRESS = "TUNEC_WARM"
BEGUN = b"begun\n"
KILLED = 137  # what a shell says of a command that SIGKILL ended
_BUG = 70
_LIBRARIES = ("torch", "transformers.modeling_utils")


class _Asked(NamedTuple):
    """What a stage hands over. link: to its command, which waits for the end."""

    link: socket.socket
    streams: Sequence[int]
    stage: str
    environ: Mapping[str, str]
    load: bool


class _Fork(NamedTuple):
    pid: int
    link: socket.socket


def main() -> None:
    folder = Path(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: _leave(folder))
    threading.Thread(target=_end_with_build, args=[folder], daemon=True).start()
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)  # by idle BLAS threads
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "making"))
        server.listen()
        (folder / "making").rename(folder / "socket")
        _serve(server)


def _end_with_build(folder: Path) -> None:
    """Standard input is the build's, which sends nothing: it ends when the build does. Importing does not wait."""
    while os.read(0, 1):
        pass
    _leave(folder)


def _leave(folder: Path) -> NoReturn:
    rmtree(folder, ignore_errors=True)  # a build that was killed left it
    os._exit(0)


def _serve(server: socket.socket) -> NoReturn:
    forks: dict[int, _Fork] = {}  # by the descriptor that can be read when it has ended
    while True:
        waited: list[Any] = [server, *forks]
        ready = select.select(waited, [], [])[0]
        for ended in forks.keys() & set(ready):
            _tell(ended, forks.pop(ended))
        if server in ready and (asked := _received(server)):
            if pid := _forked(asked, [server, *(fork.link for fork in forks.values())]):
                forks[os.pidfd_open(pid)] = _Fork(pid, asked.link)
            else:
                asked.link.close()
            for stream in asked.streams:
                os.close(stream)


def _received(server: socket.socket) -> _Asked | None:
    """What the next command asks; None where it asks nothing that can be read."""
    link, _ = server.accept()
    streams: list[int] = []
    try:
        _, streams, _, _ = socket.recv_fds(link, 1, 4)
        said = json.loads(link.makefile().readline())
        return _Asked(link, streams, said["stage"], said["environ"], said["load"])
    except (OSError, ValueError):
        link.close()
        for stream in streams:
            os.close(stream)
        return None


def _forked(asked: _Asked, ours: Sequence[socket.socket]) -> int | None:
    """A fork that does it: its process id; None where none can be made, or nobody waits any longer.

    ours: what a fork has no part in.
    """
    if asked.load:
        with suppress(Exception):  # what cannot be imported is the stage's to tell of
            for name in _LIBRARIES:
                import_module(name)
    if select.select([asked.link], [], [], 0)[0]:  # gone, for it has nothing more to say
        return None
    me = os.getpid()
    try:
        pid = os.fork()
    except OSError:
        return None
    if pid == 0:
        for socket_ in ours:
            socket_.close()
        sys.exit(_work(asked, me))
    return pid


def _tell(ended: int, fork: _Fork) -> None:
    """How a fork ended, as a shell would say it."""
    os.close(ended)
    code = os.waitstatus_to_exitcode(os.waitpid(fork.pid, 0)[1])
    with fork.link, suppress(OSError):
        fork.link.sendall(b"%d\n" % (code if code >= 0 else 128 - code))


# ---------------------------------------------------------------- a fork


def _work(asked: _Asked, parent: int) -> int:
    """`tunec run STAGE`: its exit code. Nothing is raised into what the warm process was about to do next."""
    try:
        _become(asked)
        if os.getppid() != parent:  # it ended before anything here could look for that
            return KILLED
        from stages.ending import end_with_children

        threading.Thread(target=_end_with, args=[asked.link, end_with_children], daemon=True).start()
        if _cuda_is_lost():
            return 0
        asked.link.sendall(BEGUN)
        return _command(asked.stage)
    except BaseException:
        traceback.print_exc()
        return _BUG


def _become(asked: _Asked) -> None:
    """Take over the streams, the folder and the environment, as a process has them that DVC started."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for number, stream in enumerate(asked.streams[:3]):
        os.dup2(stream, number)
    os.fchdir(asked.streams[3])
    for stream in asked.streams:
        os.close(stream)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout, sys.stderr = (os.fdopen(n, "w", buffering=1, encoding="utf-8", closefd=False) for n in (1, 2))
    os.environ.clear()
    os.environ.update({name: value for name, value in asked.environ.items() if name != ADDRESS})
    if "torch" in sys.modules and (threads := asked.environ.get("OMP_NUM_THREADS", "")).isdecimal():
        sys.modules["torch"].set_num_threads(int(threads))  # it was imported without


def _cuda_is_lost() -> bool:
    """Whether something that was imported has touched the GPU: a fork can then use it no more."""
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda._is_in_bad_fork())


def _command(stage: str) -> int:
    sys.argv = ["tunec", "run", stage]
    from tunec.start import main as tunec

    try:
        tunec()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return int(end.code or 0)
        print(end.code, file=sys.stderr)
        return 1
    return 0


def _end_with(link: socket.socket, end: Callable[[], object]) -> None:
    """End, with all that was begun here, when the command that asked for it is gone."""
    with suppress(OSError):
        link.recv(1)
    end()


if __name__ == "__main__":
    main()
