"""The far side of `execution.type: remote_ssh`: what ssh starts on the host, `python -m tunec.executing.far`.

It speaks with the near side over its standard input and output (wire.py), keeps files by their hash (store.py), and
runs one stage in a folder that holds just what the stage reads. When the near side is gone, so is the stage.

    FOLDER/objects/…            files by hash, shared by all workspaces
    FOLDER/incoming/WORKSPACE/  what is being sent
    FOLDER/runs/WORKSPACE/STAGE the workspace as that stage sees it, while it runs
    FOLDER/done/WORKSPACE/STAGE what it wrote, by hash, until the near side has it
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import queue
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import tunec
from stages.exhausted import disk_is_full
from tunec.executing import wire
from tunec.executing.running import Run
from tunec.executing.store import Entry, Link, Store, listing

_BUSY = 20.0  # seconds that a stage of a near side that has just gone may take to end


class Gone(Exception):
    """The near side hung up, or fell silent."""


class Ear:
    """What the near side says, and how long it has said nothing."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.words: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.heard = time.monotonic()
        threading.Thread(target=self._listen, args=(stream,), daemon=True).start()

    def next(self, timeout: float | None = None) -> dict[str, Any] | None:
        """The next word; None when there is none within `timeout` seconds. Raises Gone."""
        until = None if timeout is None else time.monotonic() + timeout
        while until is None or time.monotonic() < until:
            try:
                word = self.words.get(timeout=min(1.0, until - time.monotonic()) if until else 1.0)
            except (queue.Empty, ValueError):
                if time.monotonic() - self.heard > wire.PATIENCE:
                    raise Gone from None
                continue
            if word is None:
                raise Gone
            if word.get("do") != "alive":
                return word
        return None

    def _listen(self, stream: IO[bytes]) -> None:
        try:
            for word in wire.hear(stream):
                self.heard = time.monotonic()
                self.words.put(word)
        except (wire.Garbled, OSError):
            pass
        self.words.put(None)


class Agent:
    """One stage, from what it reads to what it wrote."""

    def __init__(self, ear: Ear, out: IO[bytes]) -> None:
        self.ear, self.out = ear, out

    def serve(self) -> None:
        rsync = shutil.which("rsync") is not None
        python = ".".join(platform.python_version_tuple()[:2])
        self.say(tunec=tunec.__version__, protocol=wire.PROTOCOL, python=python, rsync=rsync)
        asked = self.expect("prepare")
        folder = Path.home() / asked["folder"]
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(folder, asked["workspace"], asked["stage"]) as alone:
            if not alone:
                self.say(busy=True)
                return
            self.prepared(folder, asked)

    def prepared(self, folder: Path, asked: Mapping[str, Any]) -> None:
        from tunec.fingerprint import differing

        if differs := differing(asked["fingerprint"]):
            self.say(differs=differs)
            return
        store, inputs = Store(folder, asked["workspace"]), wire.unpacked(asked["inputs"])
        store.forget_old()
        done = folder / "done" / asked["workspace"] / asked["stage"]
        if (outputs := _finished(done, asked, store)) is None:
            self.receive(store, inputs)
            outputs = self.run(store, inputs, asked, folder / "runs" / asked["workspace"] / asked["stage"])
            if outputs is None:
                return
            _finish(done, asked, outputs)
        self.say(ended=0, outputs=wire.packed(outputs))
        self.expect("received")
        done.unlink(missing_ok=True)

    def receive(self, store: Store, inputs: Mapping[str, Entry]) -> None:
        """Say what is missing until all of it is here, and right."""
        missing = store.missing(inputs.values())
        self.say(missing=wire.packed({entry.sha256: entry for entry in missing}), free=store.free())
        while missing:
            self.expect("arrived")
            wrong = store.absorb(missing)
            self.say(wrong=wrong)
            missing = [entry for entry in missing if entry.sha256 in wrong]
        self.expect("run")

    def run(
        self, store: Store, inputs: Mapping[str, Entry], asked: Mapping[str, Any], place: Path
    ) -> dict[str, Entry] | None:
        """Run the stage; gives what it wrote, or None when it wrote nothing and the near side was told why."""
        shutil.rmtree(place, ignore_errors=True)
        try:
            place.mkdir(parents=True, mode=0o700)
            for path, entry in inputs.items():
                store.give(entry, _inside(place, path))
            for name, text in asked["files"].items():
                _inside(place, name).write_text(text, encoding="utf-8")
            ended = Run(place, asked["stage"]).follow(self.say, lambda: self.ear.next(0.2))
            if ended != 0:
                self.say(ended=ended, traceback=_traceback(place, asked["stage"]))
                return None
            return self.keep(store, place, asked["outputs"])
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def keep(self, store: Store, place: Path, paths: list[str]) -> dict[str, Entry] | None:
        try:
            outputs = listing(place, paths, links=False)
        except Link as link:
            self.say(link=str(link))
            return None
        for path, entry in outputs.items():
            store.take(place / path, entry)
        return outputs

    def say(self, **word: Any) -> None:
        wire.say(self.out, word)

    def expect(self, do: str) -> dict[str, Any]:
        """The next word, which is to be this one. Raises Gone."""
        word = self.ear.next()
        if word is None or word.get("do") != do:
            raise Gone
        return word


def main() -> None:
    """Nothing but words goes to standard output: what a library prints there goes to standard error."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.umask(0o077)
    agent = Agent(Ear(sys.stdin.buffer), out)
    try:
        agent.serve()
    except (Gone, BrokenPipeError):
        sys.exit(1)
    except OSError as error:
        agent.say(trouble=str(error), full=disk_is_full(error))


def _inside(place: Path, path: str) -> Path:
    """A path of the near side's below `place`. Raises Gone for one that leads elsewhere: no near side says that."""
    parts = Path(path).parts
    if not parts or Path(path).is_absolute() or ".." in parts:
        raise Gone
    return place / path


@contextmanager
def _alone(folder: Path, workspace: str, stage: str) -> Iterator[bool]:
    """Whether nobody else runs this stage of this workspace here; one whose near side is gone has time to end."""
    lock = folder / "locks" / workspace / stage
    lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    until = time.monotonic() + _BUSY
    with lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    yield False
                    return
                time.sleep(0.2)
            else:
                yield True
                return


def _key(asked: Mapping[str, Any]) -> str:
    """What a stage was asked, to the byte: its name, inputs, parameters and code."""
    said = json.dumps({key: asked[key] for key in ("stage", "inputs", "asks", "fingerprint")}, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def _finish(done: Path, asked: Mapping[str, Any], outputs: Mapping[str, Entry]) -> None:
    done.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = done.with_name(f"{done.name}.tmp")
    aside.write_text(json.dumps({"key": _key(asked), "outputs": wire.packed(outputs)}), encoding="utf-8")
    aside.replace(done)


def _finished(done: Path, asked: Mapping[str, Any], store: Store) -> dict[str, Entry] | None:
    """What this very run wrote, when the connection was lost before the near side had it."""
    try:
        told = json.loads(done.read_text(encoding="utf-8"))
        outputs = wire.unpacked(told["outputs"])
    except (OSError, ValueError, KeyError, TypeError, wire.Garbled):
        return None
    return outputs if told["key"] == _key(asked) and not store.missing(outputs.values()) else None


def _traceback(place: Path, stage: str) -> str | None:
    try:
        return (place / "build" / "logs" / f"{stage}.traceback.txt").read_text(encoding="utf-8")[-20_000:]
    except OSError:
        return None


if __name__ == "__main__":
    main()
