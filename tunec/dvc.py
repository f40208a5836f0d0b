"""Everything that speaks to DVC. It runs as a process of its own, so that no import of ours waits for it.

Its own imports take a second. So a command that will need DVC starts it at once, compiles meanwhile, and tells it then
what to do: see `started`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stages.progress import EVENTS_TO
from stages.rows import read_yaml

if TYPE_CHECKING:  # not yet: DVC is to be started before anything takes time to load
    from stages.diagnostics import UserError

GUARD_FILE = ".tunec/dvc.yaml"
GUARD_STAGE = f"{GUARD_FILE}:guard"  # what DVC calls it
COMPILED = (GUARD_FILE, "dvc.yaml", "params.yaml")
LOCKS = ("dvc.lock", ".tunec/dvc.lock")
LOG = Path("build", "logs", "dvc.log")
EVENTS = Path("build", "logs", "events.jsonl")
Event = Literal["running", "cached", "unchanged", "done", "failed"]
_LINES: tuple[tuple[Event, re.Pattern[str]], ...] = (
    ("running", re.compile(r"^Running stage '([^']+)'")),
    ("cached", re.compile(r"^Stage '([^']+)' is cached")),
    ("unchanged", re.compile(r"^Stage '([^']+)' didn't change")),
    ("failed", re.compile(r"^ERROR: failed to reproduce '([^']+)'")),
)

_WORKER = Path(__file__).resolve().parent / "executing" / "worker.py"
# DVC with all that `status` and `repro` import, which then waits for a line with the commands to run, in their order.
# What only looks does so by the quick ways of a worker (tunec/executing/worker.py). Two commands are ours. `look
# TEXTS`: what follows takes no lock, and reads these texts in place of files. `idle STAGE`: where nothing but that
# stage, which always runs, would run, it says so in DVC's words, and nothing follows.
_WAITING = """
import json, os, runpy, sys
def quicken(*texts):
    ours = runpy.run_path(sys.argv[1])
    ours["quicken"]()
    if texts:
        ours["only_look"](*texts)
def idle(always):
    if child := os.fork():  # so that what follows has DVC's own ways
        return os.waitpid(child, 0)[1] == 0
    changed = None
    try:
        quicken()
        repo = dvc.repo.Repo()
        changed = repo.status()
        if changed == {always: ["always changed"]}:
            print(*(f"Stage '{stage.addressing}' didn't change, skipping" for stage in repo.index.stages), sep="\\n")
            sys.stdout.flush()
    finally:
        os._exit(changed != {always: ["always changed"]})
try:
    import dvc.cli, dvc.commands.repro, dvc.commands.status, dvc.dependency, dvc.fs, dvc.repo, dvc.stage.cache
    commands = json.loads(sys.stdin.readline() or "[]")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if commands and commands[0][0] == "look":
        quicken(commands.pop(0)[1])
except KeyboardInterrupt:
    sys.exit(130)
if commands and commands[0][0] == "idle" and idle(commands.pop(0)[1]):
    sys.exit(0)
for command in commands:
    if code := dvc.cli.main(command):
        sys.exit(code)
"""


def environment() -> dict[str, str]:
    """This process's environment, so that the commands in dvc.yaml find the `tunec` that started them."""
    here = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": here + os.pathsep + os.environ.get("PATH", ""), "DVC_NO_ANALYTICS": "1"}


def require_workspace(root: Path) -> None:
    """Raises T401 when the folder is no DVC workspace, T402 when DVC is not installed."""
    import importlib.util

    from stages.diagnostics import fail

    if importlib.util.find_spec("dvc") is None:
        raise fail("T402", "DVC is not installed", help="pip install dvc")
    if not is_workspace(root):
        help = f"run `{beginning(root)}` here once, or begin with `tunec init DIR`"
        raise fail("T401", "this folder is no DVC workspace", help=help)


def is_workspace(root: Path) -> bool:
    return any((folder / ".dvc").is_dir() for folder in (root.resolve(), *root.resolve().parents))


def beginning(root: Path) -> str | None:
    """The command that makes a DVC workspace of `root`, as a person would type it there; None where it is one."""
    import shutil

    if is_workspace(root):
        return None
    if (root / ".git").exists():
        return "dvc init"
    if _in_git(root):
        return "dvc init --subdir"
    return "git init && dvc init" if shutil.which("git") else "dvc init --no-scm"


def init(root: Path) -> None:
    """Make `root` a DVC workspace: in git when it lies in a repository, otherwise without."""
    how = [] if (root / ".git").exists() else ["--subdir"] if _in_git(root) else ["--no-scm"]
    _run(root, "init", "--quiet", *how)
    _run(root, "config", "core.analytics", "false")
    # A link costs nothing where a copy of a model costs seconds; linked files are read-only, so the cache stays whole.
    _run(root, "config", "cache.type", "reflink,hardlink,copy")


def _in_git(root: Path) -> bool:
    return any((folder / ".git").exists() for folder in (root.resolve(), *root.resolve().parents))


@dataclass
class Waiting:
    """A DVC that waits for its command. process: None where there is no workspace to start it in. builds: it was told
    to, so that it must end by itself.
    """

    root: Path
    process: subprocess.Popen[bytes] | None
    builds: bool = False

    def tell(self, *commands: list[Any]) -> subprocess.Popen[bytes]:
        """Raises T401 or T402 when there is nothing to tell it to. One that has died says why on its way out."""
        require_workspace(self.root)
        process: Any = self.process
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(commands).encode() + b"\n")
            process.stdin.close()
        process.stdin = None
        return process  # type: ignore[no-any-return]


@contextmanager
def started(root: Path, *, merged: bool = False, **environ: str) -> Iterator[Waiting]:
    """A DVC that `ask_status` or `repro` tells what to do. Unless it builds, it ends with the block.

    merged: its standard error goes where its output goes.
    """
    if not is_workspace(root):
        yield Waiting(root, None)
        return
    error = subprocess.STDOUT if merged else subprocess.PIPE
    env = {**environment(), "PYTHONUNBUFFERED": "1", **environ}
    command = [sys.executable, "-P", "-c", _WAITING, str(_WORKER)]
    with subprocess.Popen(
        command, cwd=root, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=error
    ) as process:
        waiting = Waiting(root, process)
        try:
            yield waiting
        finally:
            if not waiting.builds:
                process.terminate()


@contextmanager
def started_build(root: Path) -> Iterator[Waiting]:
    """One whose stages write into EVENTS how far they are, and find a process that has imported what they need."""
    from tunec.executing.warm import warm

    with warm() as environ, started(root, merged=True, **told_in(root), **environ) as one:
        yield one


def told_in(root: Path) -> dict[str, str]:
    """What a stage's environment says of where it tells how far it is."""
    return {EVENTS_TO: str((root / EVENTS).resolve())}


def repro(
    waiting: Waiting,
    wanted: list[str],
    log: Path,
    hear: Callable[[Event, str], None],
    tick: Callable[[], None],
    *,
    sealed: bool = False,
) -> int:
    """`dvc repro`, its output into `log`. `hear` is told of each stage; `tick` is called between lines. wanted: its
    arguments, stages and options. sealed: the guard would say and write what it did the last time, so that it need not
    run where nothing else would.

    Returns DVC's exit code. Ctrl-C reaches DVC and the stage as well, and is raised again here.
    """
    import selectors

    look = [["idle", GUARD_STAGE]] if sealed else []
    process = waiting.tell(*look, ["repro", *wanted])
    waiting.builds, told = True, _InTurn(hear)
    with log.open("wb") as out, selectors.DefaultSelector() as ready:
        stream: Any = process.stdout
        os.set_blocking(stream.fileno(), False)
        ready.register(stream, selectors.EVENT_READ)
        rest = b""
        while True:
            if ready.select(timeout=0.2):
                piece = stream.read()
                if piece == b"":
                    break
                out.write(piece or b"")
                out.flush()
                *lines, rest = (rest + (piece or b"")).split(b"\n")
                for line in lines:
                    tell_line(line.decode("utf-8", "replace"), told.hear)
            tick()
        tell_line(rest.decode("utf-8", "replace"), told.hear)
        code = process.wait()
        told.end(code)
        return code


@dataclass(frozen=True)
class Status:
    """changed: stage -> what changed, in DVC's own shape. cache: its folder."""

    changed: Mapping[str, list[Any]]
    cache: Path


def ask_status(waiting: Waiting, texts: Mapping[str, str] | None = None) -> Callable[[], Status]:
    """Let DVC look, and return at once: the answer is there when what is returned is called, which raises T403.

    texts: by path from the root, what DVC reads in place of the files that stand there. No lock is taken, so that a
    build may run meanwhile, and may be waiting for none of ours.
    """
    root = waiting.root.resolve()
    look = {str((root / name).resolve()): text for name, text in (texts or {}).items()}
    process = waiting.tell(["look", look], ["status", "--json"], ["cache", "dir"])

    def answer() -> Status:
        out, error = process.communicate()
        if process.returncode:
            raise _failed("status", error.decode("utf-8", "replace"))
        *changed, cache = out.decode("utf-8").strip().splitlines()
        return Status(json.loads("\n".join(changed)), waiting.root / cache)

    return answer


def graph(root: Path) -> tuple[list[str], list[str]]:
    """The overrides that the workspace was compiled with, and its stages."""
    return guarded(root)["overrides"], list(read_yaml(root / "dvc.yaml")["stages"])


def guarded(root: Path) -> dict[str, Any]:
    """The guard's `meta`: `overrides`, and `execution`, empty where it is local. Raises T404 when it is not written."""
    file = root / GUARD_FILE
    try:  # an older compile put the guard into dvc.yaml, and an old release is built again by its overrides
        meta = read_yaml(file if file.is_file() else root / "dvc.yaml")["stages"]["guard"]["meta"]
        return {"overrides": [str(one) for one in meta["overrides"]], "execution": dict(meta.get("execution") or {})}
    except (OSError, ValueError, yaml_error(), KeyError, TypeError, AttributeError):
        from stages.diagnostics import fail

        help = "run `tunec compile` (or `tunec build`, which does)"
        raise fail("T404", f"{GUARD_FILE} is not what task.yaml compiles to", help=help, file=GUARD_FILE) from None


def yaml_error() -> type[Exception]:
    import yaml

    return yaml.YAMLError


class _InTurn:
    """DVC runs one stage after another and names each as it begins: word of the next means that the last is done."""

    def __init__(self, hear: Callable[[Event, str], None]) -> None:
        self._hear, self._last = hear, ""

    def hear(self, event: Event, name: str) -> None:
        if event != "failed":
            self.end(0)
            self._last = name if event in ("running", "cached") else ""
        self._hear(event, name)

    def end(self, code: int) -> None:
        if self._last and not code:
            self._hear("done", self._last)
        self._last = ""


def keeps_out(said: str) -> bool:
    """Whether DVC says that another process holds a lock."""
    return "Unable to acquire lock" in said or "is busy, it is being blocked by" in said


def busy() -> UserError:
    from stages.diagnostics import fail

    help = "wait for it, or stop it; leave its locks alone"
    return fail("T406", "another build or DVC runs in this workspace", help=help)


def tell_line(line: str, hear: Callable[[Event, str], None]) -> None:
    """Let `hear` know what a line of DVC's says of a stage, if it says anything."""
    for event, pattern in _LINES:
        if found := pattern.match(line):
            hear(event, found[1])


def _run(root: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise _failed(arguments[0], done.stderr)
    return done.stdout


def _failed(command: str, said: str) -> UserError:
    from stages.diagnostics import fail

    if keeps_out(said):
        return busy()
    notes = tuple(line for line in said.strip().splitlines() if line)[-5:]
    return fail("T403", f"`dvc {command}` failed", notes=notes, help="mend what DVC names above")
