"""DVC several times at once: each worker is a DVC that has imported itself once and runs one command after another.

Their imports take a second each, so they are started before there is anything to do. DVC's own locks keep them apart:
of the whole workspace while it reads and writes dvc.lock, of paths while a stage runs. A worker ends when whoever
started it is gone, however it went, and the stage that it runs with it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from tunec import dvc
from tunec.dvc import Event
from tunec.executing.warm import warm

LOGS = Path("build", "logs")
_WORKER = Path(__file__).with_name("worker.py")


@dataclass
class Worker:
    """A DVC process. options: of every reproduction. stage: what it runs now. said: lines that no log got."""

    process: subprocess.Popen[bytes]
    link: socket.socket
    root: Path
    hear: Callable[[Event, str], None]
    options: tuple[str, ...] = ()
    stage: str | None = None
    said: list[str] = field(default_factory=list)
    _rest: bytes = b""
    _log: BinaryIO | None = None

    def ask(self, command: list[str], environ: Mapping[str, str] | None = None) -> None:
        self.said = []
        self.link.sendall(json.dumps([command, environ or {}]).encode() + b"\n")

    def repro(self, stage: str, environ: Mapping[str, str]) -> None:
        """Reproduce one stage; its output goes to a log of its own."""
        self.stage = stage
        self._log = (self.root / LOGS / f"{stage}.log").open("wb")
        self.ask(["--wait-for-lock", "repro", *self.options, "--single-item", stage], environ)

    def read(self) -> None:
        """Take what it has written since the last look."""
        stream: Any = self.process.stdout
        piece = stream.read() or b""
        if self._log:
            self._log.write(piece)
            self._log.flush()
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace")
            self.said = [*self.said[-200:], text] if self.stage else [*self.said, text]
            dvc.tell_line(text, self._heard)

    def answer(self) -> int:
        """The exit code of the command that has just ended; raises EOFError when the process died instead."""
        told = self.link.recv(64)
        self.read()
        if self._log:
            self._log.close()
            self._log = None
        if not told:
            raise EOFError
        return int(told)

    @property
    def was_kept_out(self) -> bool:
        """Whether the command failed for a lock that another process holds."""
        return any(map(dvc.keeps_out, self.said))

    def _heard(self, event: Event, name: str) -> None:
        if event != "failed":  # the exit code says so, whatever the reason
            self.hear(event, name)


@contextmanager
def pool(
    root: Path, hear: Callable[[Event, str], None], options: tuple[str, ...] = ()
) -> Iterator[Callable[[], Worker]]:
    """Each call starts a worker; they end with the block, and what they run with them. options: of `dvc repro`."""
    (root / LOGS).mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        environ = stack.enter_context(warm())
        yield lambda: stack.enter_context(_worker(root, hear, options, environ))


@contextmanager
def _worker(
    root: Path, hear: Callable[[Event, str], None], options: tuple[str, ...], environ: Mapping[str, str]
) -> Iterator[Worker]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        env = {**dvc.environment(), "PYTHONUNBUFFERED": "1", **dvc.told_in(root), **environ}
        process = subprocess.Popen(
            [sys.executable, "-P", str(_WORKER.resolve()), str(theirs.fileno())],
            cwd=root,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        stream: Any = process.stdout
        os.set_blocking(stream.fileno(), False)
        try:
            yield Worker(process, ours, root, hear, options)
        finally:
            ours.close()
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Closing the link ends it; one that does not hear is killed. Its stage looks for it once a second."""
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
