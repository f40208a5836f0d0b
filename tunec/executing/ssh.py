"""The command lines of ssh and rsync: lists of words, of which none comes from a task unchecked; and what they mean
when they fail.

A host is one word without a leading dash and stands after `--`; what runs there is one fixed line, and everything that
depends on the task goes over its standard input.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler.execution import HOST, Execution
from stages.diagnostics import UserError, fail

# No question is asked (a build has nobody to answer), no unknown host is trusted, nothing of ours is lent to the host.
_OPTIONS = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "ConnectTimeout": "15",
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "3",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "PermitLocalCommand": "no",
    "ClearAllForwardings": "yes",
    "EscapeChar": "none",
}
_FAR = "exec {python} -P -m tunec.executing.far"
_FULL = re.compile(r"No space left on device|Disk quota exceeded")
_COMPILE = "run `tunec compile`"
_UNKNOWN = re.compile(r"Host key verification failed|HOST IDENTIFICATION HAS CHANGED|host key is known for")
_DENIED = re.compile(r"Permission denied|Too many authentication failures|no such identity")


@dataclass(frozen=True)
class Host:
    """Where to, as ssh takes it. folder and python are of the far side. socket: of the connection that later ones
    share.
    """

    name: str
    port: int | None
    key: str | None
    folder: str
    python: str
    socket: Path | None = None

    @classmethod
    def of(cls, execution: Mapping[str, Any]) -> Host:
        """From an `execution` section as it stands in dvc.yaml, which anybody may have edited: it is checked anew."""
        from pydantic import ValidationError

        try:
            found = Execution(**execution)
        except ValidationError as error:
            wrong = ", ".join(str(e["loc"][0]) for e in error.errors())
            raise fail(
                "T145", f"`execution` in .tunec/dvc.yaml is not valid ({wrong})", help="run `tunec compile`"
            ) from None
        if not re.fullmatch(HOST, found.host or ""):
            raise fail("T145", "`execution.host` in .tunec/dvc.yaml is no host", help=_COMPILE)
        return cls(str(found.host), found.port, found.key, found.folder or ".cache/tunec", found.python or "python3")

    def agent(self) -> list[str]:
        """The command that starts the far side's agent, on a connection that later ones may share."""
        share = ["-o", "ControlMaster=yes", "-o", "ControlPersist=no"] if self.socket else []
        return [*self._ssh(), *share, "--", self.name, _FAR.format(python=shlex.quote(self.python))]

    def send(self, folder: Path, to: str) -> list[str]:
        """The files in `folder`, into the folder `to` there; what came half is continued."""
        return [*self._rsync(), "--copy-links", "--chmod=D700,F600", "--", f"{folder}/", f"{self.name}:{to}/"]

    def fetch(self, source: str, to: Path) -> list[str]:
        """Files of the folder `source` there, whose names come on standard input. Links are none of them."""
        plain = ["--no-links", "--no-devices", "--no-specials", "--chmod=D700,F644", "--files-from=-"]
        return [*self._rsync(), *plain, "--", f"{self.name}:{source}/", f"{to}/"]

    def _rsync(self) -> list[str]:
        shell = shlex.join([*self._ssh(), *(["-o", "ControlMaster=no"] if self.socket else [])])
        how = ["--recursive", "--perms", "--partial", "--append-verify", "--timeout=60", "--secluded-args"]
        return ["rsync", "--quiet", *how, f"--rsh={shell}"]

    def _ssh(self) -> list[str]:
        options = [word for name, value in _OPTIONS.items() for word in ("-o", f"{name}={value}")]
        port = ["-p", str(self.port)] if self.port else []
        key = ["-i", str(Path(self.key).expanduser()), "-o", "IdentitiesOnly=yes"] if self.key else []
        return ["ssh", "-T", *options, *port, *key, *(["-S", str(self.socket)] if self.socket else [])]


def require_tools() -> None:
    """Raises T539 where ssh or rsync is not installed on this machine."""
    if lacking := [tool for tool in ("ssh", "rsync") if shutil.which(tool) is None]:
        packages = " ".join("openssh-client" if tool == "ssh" else tool for tool in lacking)
        raise fail("T539", f"{' and '.join(lacking)} is not installed here", help=f"apt-get install {packages}")


def not_begun(host: Host, code: int, said: Sequence[str]) -> UserError:
    """Why the agent did not answer. code: of ssh; said: its last lines and those of the far side's shell."""
    text, notes = "\n".join(said), tuple(said[-3:])
    if code == 255:
        return _not_connected(host, text, notes)
    if "No module named" in text:
        help = f"install tunec there: {host.python} -m pip install tunec, in the version that is here"
        return fail("T533", f"{host.name} has no tunec for {host.python}", notes=notes, help=help)
    help = "name its Python 3.11 or newer, with tunec installed, in `execution.python`; relative paths count from home"
    return fail("T533", f"{host.name} cannot run {host.python}", notes=notes, help=help)


def _not_connected(host: Host, text: str, notes: tuple[str, ...]) -> UserError:
    where = f" -p {host.port}" if host.port else ""
    if _UNKNOWN.search(text):
        help = f"compare its fingerprint with what its owner says, and connect once by hand: ssh{where} {host.name}"
        return fail("T531", f"{host.name} is unknown, or not the host it was", notes=notes, help=help)
    if _DENIED.search(text):
        help = f"make `ssh{where} {host.name}` work without a question: a key in its authorized_keys, or an agent"
        return fail("T532", f"{host.name} does not let us in", notes=notes, help=help)
    help = f"look whether `ssh{where} {host.name}` works; `tunec build execution.type=local` builds here"
    return fail("T530", f"{host.name} cannot be reached", notes=notes, help=help)


def lost(host: Host, doing: str, said: Sequence[str]) -> UserError:
    help = "build again: files that came across stay there, and half a file is continued"
    return fail("T535", f"the connection to {host.name} was lost {doing}", notes=tuple(said[-3:]), help=help)


def full(host: Host, notes: tuple[str, ...] = ()) -> UserError:
    help = f"make room there ({host.folder} may be emptied while nothing runs), and build again: what is done stays"
    return fail("T536", f"the disk of {host.name} is full", notes=notes, help=help)


def not_moved(host: Host, doing: str, code: int, said: str) -> UserError:
    """Why rsync ended with `code`."""
    lines = tuple(line for line in said.splitlines() if line.strip())[-3:]
    if _FULL.search(said):
        return full(host, lines)
    if "rsync: command not found" in said or "rsync: not found" in said:
        return fail("T539", f"rsync is not installed on {host.name}", notes=lines, help="apt-get install rsync there")
    if code in (10, 12, 20, 30, 35, 255):  # of rsync's protocol, its socket, a signal, a silence; of ssh
        return lost(host, doing, lines)
    return fail("T546", f"rsync failed {doing}", notes=lines, help="mend what rsync names, and build again")
