"""The near side's end of a conversation with the agent on a host."""

from __future__ import annotations

import subprocess
import threading
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import IO, Any

from tunec.executing import ssh, wire
from tunec.executing.parcel import unexpected

_GREETED = 200  # lines that a login on the host may print before the agent speaks


class Connection:
    """Used as a context: at its end the agent is gone, and the stage with it when it still ran."""

    def __init__(self, host: ssh.Host) -> None:
        self.host = host
        self.said: deque[str] = deque(maxlen=20)
        self._stopped = threading.Event()
        self._speaking = threading.Lock()

    def __enter__(self) -> Connection:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(self.host.agent(), stdin=pipe, stdout=pipe, stderr=pipe)
        self._stdin: Any = self.process.stdin
        self._stdout: Any = self.process.stdout
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self._reader.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """A closed standard input is what tells the far side to stop; ssh is made to end when that takes long."""
        self._stopped.set()
        with self._speaking, suppress(OSError):
            self._stdin.close()
        try:
            self.process.wait(timeout=2 if kind else 10)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait()
        self._stdout.close()
        self._reader.join(timeout=2)  # it closes standard error

    def begin(self) -> dict[str, Any]:
        """The agent's first word; raises T530 to T533 when there is none."""
        for _ in range(_GREETED):
            line = self._stdout.readline(1 << 16)
            if not line:
                code = self.process.wait()
                self._reader.join(timeout=2)
                raise ssh.not_begun(self.host, code, list(self.said))
            with suppress(wire.Garbled):
                if "tunec" in (word := wire.word(line)):
                    self._words = wire.hear(self._stdout)
                    threading.Thread(target=self._live, daemon=True).start()
                    return word
        raise unexpected(self.host, "its login prints without end")

    def say(self, **word: Any) -> None:
        with self._speaking, suppress(OSError):  # who is gone is told by the next word, which does not come
            wire.say(self._stdin, word)

    def next(self, doing: str) -> dict[str, Any]:
        """The next word. Raises T535 when the connection is lost, T536 when the disk there is full, Garbled."""
        try:
            word = next(self._words)
        except StopIteration:
            self._reader.join(timeout=2)
            raise ssh.lost(self.host, doing, list(self.said)) from None
        if "trouble" in word:
            notes = (str(word["trouble"])[:300],)
            raise ssh.full(self.host, notes) if word.get("full") else unexpected(self.host, *notes)
        return word

    def _live(self) -> None:
        while not self._stopped.wait(wire.BEAT):
            self.say(do="alive")

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._hear(line)

    def _hear(self, line: bytes) -> None:
        if text := line.decode("utf-8", "replace").strip():
            self.said.append(text[:300])
