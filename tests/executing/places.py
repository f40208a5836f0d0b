"""A workspace small enough that its first stages run in a second, and an sshd of our own to run them through."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import chdir, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from getpass import getuser
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from stages import runner
from stages.diagnostics import UserError
from stages.wording import render
from tests.builds.conftest import TASK, rows
from tunec.compiling import compile_here
from tunec.executing import settings
from tunec.executing.remote_ssh import RemoteSsh
from tunec.guard import guard

ROOT = Path(__file__).parents[2]
SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
LACKING = [
    tool
    for tool, found in (("ssh", shutil.which("ssh")), ("rsync", shutil.which("rsync")), ("sshd", SSHD))
    if not found
]
OUTPUTS = (
    "accepted.jsonl",
    "facts.json",
    "flagged.jsonl",
    "near.jsonl",
    "rejected.jsonl",
    "report.html",
    "report.json",
    "report.md",
    "review.jsonl",
    "unanswered.jsonl",
)
# What the far side's Python runs first: it writes down its own process, and waits where a test tells it to.
PROBE = """\
import os, sys, time
told = os.path.join(os.path.dirname(__file__), "probe")
if "tunec.executing.here" in sys.orig_argv:
    with open(told, "a") as file:
        file.write(f"{os.getpid()}\\n")
    while os.path.exists(told + ".hold"):
        time.sleep(0.05)
"""


@dataclass(frozen=True)
class Place:
    """A workspace; `environ` is what its commands get beside the environment of the tests."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)

    def execute(self, execution: dict[str, Any] | None) -> None:
        """From now on stages run there."""
        text = TASK + (f"execution: {json.dumps(execution)}\n" if execution else "")
        (self.root / "task.yaml").write_text(text, encoding="utf-8")
        compile_here(self.root, [])
        guard(self.root)

    def run(self, stage: str = "data") -> None:
        """As `tunec run STAGE`, in this process. Raises UserError."""
        with chdir(self.root), mock.patch.dict(os.environ, self.environ):
            runner.run(stage, partial(RemoteSsh(settings(Path())).bring, Path()))

    def run_here(self, stage: str = "data") -> None:
        with chdir(self.root):
            runner.run(stage)

    def refused(self, code: str, stage: str = "data") -> str:
        """What is said when a stage cannot run there; nothing is in place then."""
        with pytest.raises(UserError) as refused:
            self.run(stage)
        said = "\n".join(map(render, refused.value.diagnostics))
        assert f"error[{code}]" in said, said
        assert not self.written(stage)
        return said

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "OMP_NUM_THREADS": "1", **self.environ}
        command = [sys.executable, "-P", "-m", "tunec", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.root, env=env, stdout=pipe, stderr=pipe, text=True)

    def tunec(self, *arguments: str, code: int | None = 0) -> str:
        """What a command says on standard error."""
        with self.start(*arguments) as process:
            out, error = process.communicate(timeout=120)
        assert code is None or process.returncode == code, out + error
        assert "Traceback" not in error
        return error

    def written(self, stage: str = "data") -> dict[str, bytes]:
        """What a stage has written, by its path."""
        home = self.root / "build" / stage
        return {f.relative_to(home).as_posix(): f.read_bytes() for f in sorted(home.rglob("*")) if f.is_file()}


def make(root: Path, environ: dict[str, str] | None = None) -> Place:
    """A workspace of which `data`, `splits` and `model-tiny` can run; its model has no weights that load."""
    (root / "data" / "raw").mkdir(parents=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows(40))
    (root / "data" / "raw" / "rows.jsonl").write_text(lines, encoding="utf-8")
    (root / "models" / "tiny").mkdir(parents=True)
    (root / "models" / "tiny" / "config.json").write_text("{}\n", encoding="utf-8")
    (root / "models" / "tiny" / "model.safetensors").write_bytes(b"weights")
    place = Place(root, environ or {})
    place.execute(None)
    return place


# ---------------------------------------------------------------- a host


@dataclass
class Server:
    """An sshd on the loopback, and what a task says to get there.

    folder: its keys. own: of one test: our `ssh`, which reads our known_hosts and no file of this user's; `far`, where
    stages run; `probe`, where the far side writes which processes ran them; a file `probe.hold` makes these wait.
    """

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    own: Path

    def anew(self, own: Path) -> Server:
        """The same host for another test."""
        (own / "bin").mkdir(parents=True)
        (own / "sitecustomize.py").write_text(PROBE, encoding="utf-8")
        options = [f"UserKnownHostsFile {own}/known_hosts", "GlobalKnownHostsFile /dev/null", "IdentityFile /dev/null"]
        (own / "config").write_text("\n".join(options) + "\n", encoding="utf-8")
        ssh = own / "bin" / "ssh"
        ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {own}/config "$@"\n', encoding="utf-8")
        ssh.chmod(0o755)
        found = replace(self, own=own)
        found.known((self.folder / "host_key.pub").read_text(encoding="utf-8"))
        return found

    def known(self, key: str, port: int | None = None) -> None:
        """Write known_hosts: this key, for a port of the loopback; an empty text makes the host unknown."""
        line = f"[127.0.0.1]:{port or self.port} {key}" if key else ""
        with (self.own / "known_hosts").open("a" if port else "w", encoding="utf-8") as file:
            file.write(line)

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": f"{self.own / 'bin'}{os.pathsep}{os.environ['PATH']}"}

    @property
    def probe(self) -> Path:
        return self.own / "probe"

    @property
    def hold(self) -> Path:
        return self.own / "probe.hold"

    @property
    def far(self) -> Path:
        return self.own / "far"

    def execution(self, **other: Any) -> dict[str, Any]:
        return {
            "type": "remote_ssh",
            "host": f"{getuser()}@127.0.0.1",
            "port": self.port,
            "key": str(self.folder / "key"),
            "folder": str(self.far),
            "python": str(self.python("far-python")),
            **other,
        }

    def python(self, name: str, *, first: str = "", options: str = "", command: str | None = None) -> Path:
        """A Python of the host that has the tunec of this checkout. first: what its shell runs before."""
        path = self.own / name
        run = command or f'exec {sys.executable} {options} "$@"'
        lines = ["#!/bin/sh", first, f"export PYTHONPATH={ROOT}:{self.own}", run]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        path.chmod(0o755)
        return path

    def ran(self) -> list[int]:
        """The processes that ran stages there, the latest last."""
        return [int(pid) for pid in self.probe.read_text().split()] if self.probe.exists() else []


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """An sshd with its own keys and port."""
    folder.mkdir(parents=True)
    for name in ("key", "host_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copyfile(folder / "key.pub", folder / "authorized_keys")
    port = free_port()
    _configure(folder, port)
    if os.getuid() == 0:  # Debian's sshd goes there before anybody is known
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    command = [str(SSHD), "-D", "-e", "-f", str(folder / "sshd_config")]
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_for(port, process, folder / "sshd.log")
        yield Server(folder, port, process, folder)
    finally:
        process.terminate()
        process.wait()


def _configure(folder: Path, port: int) -> None:
    lines = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder}/host_key",
        f"AuthorizedKeysFile {folder}/authorized_keys",
        f"PidFile {folder}/pid",
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "StrictModes no",
        "UsePAM no",
        "MaxStartups 100",
    ]
    (folder / "sshd_config").write_text("\n".join(lines) + "\n", encoding="utf-8")


def free_port() -> int:
    with closing(socket.socket()) as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"sshd does not listen: {log.read_text()}")


def until(true: Any, seconds: float = 20.0) -> None:
    """Wait until a condition holds; fails when it does not."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
