"""`execution.type: remote_ssh`: a stage on another machine. What it reads goes there, what it wrote comes back, each
file checked by its SHA-256; DVC, its cache and its locks stay here.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import tunec
from stages import progress, runner
from stages.counting import counted
from stages.diagnostics import fail
from stages.runner import Work
from tunec.executing import ssh, wire
from tunec.executing.base import Job
from tunec.executing.connection import Connection
from tunec.executing.parcel import Parcel, place, refusal, unexpected
from tunec.executing.store import Entry, look

ASIDE = Path("build", ".tmp", ".far")


class RemoteSsh:
    def __init__(self, execution: Mapping[str, Any]) -> None:
        self.host = ssh.Host.of(execution)

    def run(self, job: Job) -> int:
        return runner.main(job.stage, partial(self.bring, job.root))

    def bring(self, root: Path, work: Work) -> None:
        """Bring a stage's work there and its outputs back. Raises UserError with what the stage refuses there, and with
        whatever stands between here and there.
        """
        ssh.require_tools()
        parcel = Parcel.of(root, work)
        with _socket() as socket, Connection(replace(self.host, socket=socket)) as far:
            try:
                _same_tunec(far)
                outputs = _Trip(root, work, parcel, far).outputs()
            except wire.Garbled as error:
                raise unexpected(self.host, f"it sends {error}") from None
            _fetch(root, work, outputs, far)
            far.say(do="received")


class _Trip:
    """One stage's way there, and its run."""

    def __init__(self, root: Path, work: Work, parcel: Parcel, far: Connection) -> None:
        self.root, self.work, self.parcel, self.far = root, work, parcel, far
        self.workspace = hashlib.sha256(f"{platform.node()}:{root.resolve()}".encode()).hexdigest()[:16]

    def outputs(self) -> dict[str, Entry]:
        """What the stage wrote there, by its path here."""
        far, host = self.far, self.far.host
        with _one_at_a_time(self.root):
            far.say(do="prepare", folder=host.folder, workspace=self.workspace, **self.parcel.told())
            word = far.next("while it looked what is there already")
            if "ended" not in word:
                self._send(word)
        if "ended" not in word:
            far.say(do="run")
            word = self._follow()
        return self.parcel.checked(host, word.get("outputs"))

    def _send(self, word: Mapping[str, Any]) -> None:
        """Bring there what is missing. What arrived spoilt is sent once more."""
        missing, host = _missing(self.far, word), self.far.host
        size, free = sum(entry.size for entry in missing), wire.number(word.get("free"))
        if size > free:
            raise ssh.full(host, (f"{size:,} bytes to send, {free:,} are free",))
        for _ in range(2):
            if not missing:
                return
            self._rsync_to(missing)
            self.far.say(do="arrived")
            wrong = wire.texts(self.far.next("after files were sent").get("wrong"))
            missing = [entry for entry in missing if entry.sha256 in wrong]
        if missing:
            raise unexpected(host, f"{counted(len(missing), 'file')} arrived there with other bytes, twice")

    def _rsync_to(self, missing: list[Entry]) -> None:
        aside = ASIDE / self.work.name / "out"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        wanted = {entry.sha256 for entry in missing}
        for path, entry in self.parcel.inputs.items():
            if entry.sha256 in wanted and not (aside / entry.sha256).is_symlink():
                (aside / entry.sha256).symlink_to((self.root / path).resolve())
        size = sum(entry.size for entry in missing)
        progress.tell(0, None, f"sending {size / 1e6:,.1f} MB to {self.far.host.name}")
        to = f"{self.far.host.folder}/incoming/{self.workspace}"
        _rsync(self.far, self.far.host.send(aside, to), "while files were sent", "")
        shutil.rmtree(aside)

    def _follow(self) -> dict[str, Any]:
        """Pass on what the stage says, until it has ended well."""
        refused: list[Any] = []
        while True:
            word = self.far.next(f"while {self.work.name} ran there")
            if "progress" in word:
                done, total, note = wire.progress(word["progress"])
                progress.tell(done, total, _plain(note))
            elif "said" in word:
                print("\n".join(f"  {_plain(line)}" for line in wire.texts(word["said"])), flush=True)
            elif "refused" in word:
                refused = word["refused"]
            elif word.get("ended") == 0:
                return word
            else:
                raise refusal(self.far.host, self.work.name, refused, word)


def _missing(far: Connection, word: Mapping[str, Any]) -> list[Entry]:
    """Raises T534 when the code or a library is another there, T537, T548 when the stage runs there already."""
    host = far.host
    if "differs" in word:
        help = "install there what is here: the same tunec, `pip install -r requirements.lock`"
        raise fail(
            "T534", f"{host.name} would build something else", notes=tuple(wire.texts(word["differs"])[:8]), help=help
        )
    if "busy" in word:
        raise fail("T548", f"this stage still runs on {host.name}", help="wait for it, or end it there")
    return list(wire.unpacked(word.get("missing")).values())


def _same_tunec(far: Connection) -> None:
    """Raises T534 for another tunec there, T539 when rsync is not there."""
    host, hello = far.host, far.begin()
    if (hello.get("tunec"), hello.get("protocol")) != (tunec.__version__, wire.PROTOCOL):
        note = f"tunec {_plain(hello.get('tunec'))} there, {tunec.__version__} here"
        help = f"{host.python} -m pip install tunec=={tunec.__version__} there"
        raise fail("T534", f"{host.name} has another tunec", notes=(note,), help=help)
    if not hello.get("rsync"):
        raise fail("T539", f"rsync is not installed on {host.name}", help="apt-get install rsync there")


def _fetch(root: Path, work: Work, outputs: Mapping[str, Entry], far: Connection) -> None:
    """Bring what the stage wrote to where the runner expects it. What came half before is continued."""
    aside = ASIDE / work.name / "in"
    aside.mkdir(parents=True, exist_ok=True)
    wanted = dict.fromkeys(outputs.values())
    size = sum(entry.size for entry in wanted)
    progress.tell(0, None, f"fetching {size / 1e6:,.1f} MB from {far.host.name}")
    absent = [entry for entry in wanted if not _is_here(aside, entry)]
    for _ in range(2):
        if absent:
            names = "".join(f"{entry.sha256}\n" for entry in absent)
            command = far.host.fetch(f"{far.host.folder}/objects", aside)
            _rsync(far, command, "while results were fetched", names, here=True)
            absent = [entry for entry in absent if not _is_here(aside, entry)]
    if absent:
        raise unexpected(far.host, "what came back is not what was made there")
    place(aside, outputs, work)
    shutil.rmtree(aside.parent, ignore_errors=True)


def _is_here(aside: Path, entry: Entry) -> bool:
    """Whether a file came whole. One of the right length with other bytes, or what is no plain file, is thrown away."""
    path = aside / entry.sha256
    if path.is_symlink() or path.is_dir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        return False
    if not path.is_file() or path.stat().st_size < entry.size:
        return False
    if look(path) == entry:
        return True
    path.unlink()
    return False


def _rsync(far: Connection, command: list[str], doing: str, names: str, *, here: bool = False) -> None:
    """here: it writes on this machine, so that a full disk is this one's."""
    done = subprocess.run(command, input=names, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        if here and "No space left on device" in done.stderr:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise ssh.not_moved(far.host, doing, done.returncode, done.stderr)


@contextmanager
def _socket() -> Iterator[Path]:
    """Where the connections of one stage share one, out of reach of other users; its path must be short."""
    with tempfile.TemporaryDirectory(prefix="tunec-", dir="/tmp") as folder:
        yield Path(folder) / "s"


@contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    """Stages that run side by side send one after another: what they share is then sent once."""
    lock = root / "build" / ".tmp" / ".sending"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _plain(text: Any) -> str:
    from stages.wording import tame

    return tame(str(text))[:500]
