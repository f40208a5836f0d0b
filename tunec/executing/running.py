"""A stage as a process of its own, in a folder that is not the driving one: its words are passed on, and it ends when
somebody says so.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from stages.progress import EVENTS_TO
from tunec.executing import here

_GRACE = 5.0  # seconds from asking a stage to end to making it


class Run:
    """A stage that runs in `place`."""

    def __init__(self, place: Path, stage: str) -> None:
        self.events = place / "build" / "logs" / "events.jsonl"
        self.events.parent.mkdir(parents=True, exist_ok=True)
        self.said: queue.Queue[str] = queue.Queue()
        self.offset = 0
        env = {**os.environ, EVENTS_TO: str(self.events), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            here.command(stage),
            cwd=place,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self.reader.start()

    def follow(self, say: Callable[..., None], wait: Callable[[], Any]) -> int:
        """The exit code; of a stage that a signal ended, its number below zero. What `wait` raises ends the stage."""
        try:
            while self.process.poll() is None:
                wait()
                self._pass_on(say)
            self.reader.join(timeout=_GRACE)
            self._pass_on(say)
            return self.process.returncode
        finally:
            self.stop()

    def stop(self) -> None:
        """End the stage and all that it started."""
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=_GRACE)
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            self.said.put(line.decode("utf-8", "replace").rstrip("\n")[:2000])

    def _pass_on(self, say: Callable[..., None]) -> None:
        lines = []
        while not self.said.empty():
            lines.append(self.said.get())
        if lines:
            say(said=lines)
        for event in self._told():
            if "done" in event:
                say(progress=[event["done"], event["total"], event["note"]])
            elif event.get("event") == "refused":
                say(refused=event["diagnostics"])

    def _told(self) -> list[dict[str, Any]]:
        """The events that the stage has written since the last look."""
        if not self.events.is_file():
            return []
        with self.events.open("rb") as told:
            told.seek(self.offset)
            whole = told.read().rpartition(b"\n")[0]
        self.offset += len(whole) + 1 if whole else 0
        return [json.loads(line) for line in whole.splitlines()]
