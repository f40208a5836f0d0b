"""A process that has imported once what the stages and DVC take seconds to import, and forks for each command.

    python -m tests.zygote FOLDER PID      serves at FOLDER/socket until the process PID ends

A build of a tiny model is thirty processes whose imports take longer than their work. A client hands over its
standard streams, its folder, its arguments and its environment; the fork runs the command as a process of its own
would, and ends with the client. What it cannot show: the end of an interpreter, what is read from the environment at
import, and a stage that ends because the build above it did. Clients are FOLDER/bin/tunec and FOLDER/bin/dvc, and
what tunec starts DVC with (`waiting`).
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

HEAVY = (
    "datasets",
    "dvc.cli",
    "dvc.commands.repro",
    "dvc.commands.status",
    "dvc.dependency",
    "dvc.fs",
    "dvc.repo",
    "dvc.stage.cache",
    "llama_cpp",
    "matplotlib.pyplot",
    "peft",
    "sklearn.metrics",
    "transformers.models.llama",
    "trl",
)
ROOT = Path(__file__).parent.parent
_CLIENT = """\
import json, os, socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect({address!r})
socket.send_fds(link, [b"."], [0, 1, 2, os.open(".", os.O_RDONLY)])
link.sendall(json.dumps([{name!r}, sys.argv[1:], dict(os.environ)]).encode() + b"\\n")
os._exit(int(link.makefile().readline() or 1))
"""


_scripts: dict[str, str] = {}  # what a client names that is no command


def client(folder: Path, name: str) -> str:
    """What a client's Python runs."""
    return _CLIENT.format(address=str(folder / "socket"), name=name)


def start(folder: Path, until: int) -> None:
    """Start one at `folder`, which ends with the process `until`."""
    clients = folder / "bin"
    clients.mkdir(parents=True)
    for name in ("tunec", "dvc"):
        (clients / name).write_text(f"#!{sys.executable} -ISs\n{client(folder, name)}", encoding="utf-8")
        (clients / name).chmod(0o755)
    env = {**os.environ, "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.zygote", str(folder), str(until)],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    while not (folder / "socket").exists():
        assert process.poll() is None, (folder / "log").read_text()
        time.sleep(0.05)
    process.returncode = 0  # it outlives us, of which Python would speak after pytest's last line


def main() -> None:
    folder, until = Path(sys.argv[1]), os.pidfd_open(int(sys.argv[2]))
    _load(folder)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "making"))
        server.listen(16)
        (folder / "making").rename(folder / "socket")
        while until not in select.select([server, until], [], [])[0]:
            link, _ = server.accept()
            if os.fork() == 0:
                server.close()
                _serve(link)
            link.close()


def _load(folder: Path) -> None:
    """What takes long, and the words by which a build starts DVC and DVC starts a stage."""
    for module in HEAVY:
        import_module(module)
    from tunec import dvc as ours

    outside, clients = ours.environment, folder / "bin"
    ours.environment = lambda: {**outside(), "PATH": f"{clients}{os.pathsep}{outside()['PATH']}"}
    _scripts["waiting"], ours._WAITING = ours._WAITING, client(folder, "waiting")
    from tunec.executing import warm

    warm.run = lambda stage: None  # what it would save is saved here, and it would import all of it once more


def _serve(link: socket.socket) -> None:
    """One command: run it in a fork of this fork, and tell how it ended. It is killed when the client is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(link, 1, 4)
    name, arguments, environ = json.loads(link.makefile().readline())
    child = os.fork()
    if child == 0:
        link.close()
        os._exit(_run(name, arguments, environ, streams))
    for stream in streams:
        os.close(stream)
    ended = os.pidfd_open(child)
    ready, _, _ = select.select([link, ended], [], [])
    if ended not in ready:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with suppress(OSError):
        link.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _run(name: str, arguments: list[str], environ: dict[str, str], streams: list[int]) -> int:
    for number, stream in enumerate(streams[:3]):
        os.dup2(stream, number)
    os.fchdir(streams[3])
    for stream in streams:
        os.close(stream)
    os.environ.clear()
    os.environ.update(environ)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout, sys.stderr = (os.fdopen(n, "w", buffering=1, encoding="utf-8", closefd=False) for n in (1, 2))
    try:
        return int(_command(name, arguments) or 0)
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _command(name: str, arguments: list[str]) -> Any:
    sys.argv = [name, *arguments]
    if name in _scripts:
        return exec(_scripts[name], {"__name__": "__main__"})  # noqa: S102 - a script of tunec's own
    if name == "dvc":
        import dvc.cli

        return dvc.cli.main(arguments)
    from tunec.start import main as tunec

    return tunec()


if __name__ == "__main__":
    main()
