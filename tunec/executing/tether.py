"""A stage as a job of a cluster whose nodes share the workspace's folder: it runs while somebody here waits for it.

Near and far side share no connection, but they share files. The near side writes a new number into one every few
seconds. A job that sees the same number for a while, or no file any more, ends its stage.

    build/.tmp/.jobs/STAGE/
        alive      7f3c… 41      this run's word, and how often the near side has written
        out        what the stage printed
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from stages.progress import EVENTS_TO
from tunec.executing import here

BEAT, PATIENCE = 5.0, 90.0  # seconds; a shared folder may show a change late
UNSEEN, STOPPED = 66, 143  # exit codes of a job: the node does not see this folder; nobody waits any more
_TAKEN = (EVENTS_TO, "PYTHONPATH", "PATH")  # of this environment, what the stage there goes by as well


@dataclass(frozen=True)
class Tied:
    """A job, as data that travels. root: the workspace, absolute. word: this run's own, so that a node can tell this
    folder from another at the same place. env: what the stage's environment gets.
    """

    root: str
    stage: str
    word: str
    env: dict[str, str]
    beat: float = BEAT
    patience: float = PATIENCE

    @property
    def folder(self) -> Path:
        return Path(self.root, "build", ".tmp", ".jobs", self.stage)

    @property
    def alive(self) -> Path:
        return self.folder / "alive"

    @property
    def out(self) -> Path:
        return self.folder / "out"


def tied(root: Path, stage: str) -> Tied:
    env = {name: os.environ[name] for name in _TAKEN if name in os.environ}
    return Tied(str(root.resolve()), stage, secrets.token_hex(8), env)


# ---------------------------------------------------------------- here


@dataclass
class Held:
    """The near end: alive while the block lasts."""

    job: Tied
    _ended: threading.Event = field(default_factory=threading.Event)
    _shown: int = 0

    def __enter__(self) -> Held:
        shutil.rmtree(self.job.folder, ignore_errors=True)
        self.job.folder.mkdir(parents=True)
        self._write(0)
        threading.Thread(target=self._live, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self.show()
        shutil.rmtree(self.job.folder, ignore_errors=True)

    def show(self) -> None:
        """Print what the stage has printed since the last time."""
        with suppress(OSError), self.job.out.open("rb") as said:
            said.seek(self._shown)
            text = said.read()
            self._shown += len(text)
            sys.stdout.write(text.decode("utf-8", "replace"))
            sys.stdout.flush()

    def _live(self) -> None:
        count = 0
        while not self._ended.wait(self.job.beat):
            count += 1
            with suppress(OSError):
                self._write(count)

    def _write(self, count: int) -> None:
        aside = self.job.alive.with_name("alive.tmp")
        aside.write_text(f"{self.job.word} {count}", encoding="utf-8")
        aside.replace(self.job.alive)


# ---------------------------------------------------------------- there


def run(job: Tied) -> int:
    """Run the stage on this node; its exit code, or UNSEEN, or STOPPED."""
    if not (_said(job) or "").startswith(f"{job.word} "):
        return UNSEEN
    with job.out.open("ab") as out:
        process = subprocess.Popen(
            here.command(job.stage),
            cwd=job.root,
            env={**os.environ, **job.env, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return _watched(process, job)
        finally:
            _end(process)


def _watched(process: subprocess.Popen[bytes], job: Tied) -> int:
    last, since = _said(job), time.monotonic()
    while process.poll() is None:
        time.sleep(min(0.5, job.beat))
        now = _said(job)
        if now != last and now is not None:
            last, since = now, time.monotonic()
        if not job.folder.is_dir() or time.monotonic() - since > job.patience:
            return STOPPED
    return process.returncode


def _said(job: Tied) -> str | None:
    with suppress(OSError):
        return job.alive.read_text(encoding="utf-8")
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """What is left of the stage: it leads a session of its own."""
    import signal

    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)


def wait(held: Held, ended: Callable[[], bool], pause: float = 0.3) -> None:
    """Until the job has ended, showing what it prints."""
    while not ended():
        held.show()
        time.sleep(pause)
