"""Everything that speaks to DVC. It runs as a process of its own, so that no import of ours waits for it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import yaml

from stages.base import fail
from stages.rows import read_yaml

Event = Literal["running", "cached", "unchanged", "failed"]
_LINES: tuple[tuple[Event, re.Pattern[str]], ...] = (
    ("running", re.compile(r"^Running stage '([^']+)'")),
    ("cached", re.compile(r"^Stage '([^']+)' is cached")),
    ("unchanged", re.compile(r"^Stage '([^']+)' didn't change")),
    ("failed", re.compile(r"^ERROR: failed to reproduce '([^']+)'")),
)


def environment() -> dict[str, str]:
    """This process's environment, so that the commands in dvc.yaml find the `tunec` that started them."""
    here = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": here + os.pathsep + os.environ.get("PATH", ""), "DVC_NO_ANALYTICS": "1"}


def require_workspace(root: Path) -> None:
    """Raises T401 when the folder is no DVC workspace, T402 when DVC is not installed."""
    import importlib.util

    if importlib.util.find_spec("dvc") is None:
        raise fail("T402", "DVC is not installed", help="pip install dvc")
    if not any((folder / ".dvc").is_dir() for folder in (root.resolve(), *root.resolve().parents)):
        help = "run `git init && dvc init` here once, or begin with `tunec init DIR`"
        raise fail("T401", "this folder is no DVC workspace", help=help)


def init(root: Path) -> None:
    """Make `root` a DVC workspace: in git when it lies in a repository, otherwise without."""
    in_git = any((folder / ".git").exists() for folder in (root.resolve(), *root.resolve().parents))
    own = (root / ".git").exists()
    how = [] if own else ["--subdir"] if in_git else ["--no-scm"]
    _run(root, "init", "--quiet", *how)
    _run(root, "config", "core.analytics", "false")
    # A link costs nothing where a copy of a model costs seconds; linked files are read-only, so the cache stays whole.
    _run(root, "config", "cache.type", "reflink,hardlink,copy")


def repro(
    root: Path,
    targets: list[str],
    log: Path,
    hear: Callable[[Event, str], None],
    tick: Callable[[], None],
    events: Path,
) -> int:
    """`dvc repro`, its output into `log`. `hear` is told of each stage; `tick` is called between lines.

    Returns DVC's exit code. Ctrl-C reaches DVC and the stage as well, and is raised again here.
    """
    import selectors

    command = [sys.executable, "-m", "dvc", "repro", *targets]
    env = {**environment(), "TUNEC_EVENTS": str(events.resolve()), "PYTHONUNBUFFERED": "1"}
    with (
        log.open("wb") as out,
        subprocess.Popen(command, cwd=root, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process,
        selectors.DefaultSelector() as ready,
    ):
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
                    _tell(line.decode("utf-8", "replace"), hear)
            tick()
        _tell(rest.decode("utf-8", "replace"), hear)
        return process.wait()


def status(root: Path) -> dict[str, list[Any]]:
    """`dvc status --json`: stage -> what changed, in DVC's own shape."""
    return dict(json.loads(_run(root, "status", "--json")))


def lock(root: Path) -> dict[str, Any]:
    """What the last run of each stage saw: dvc.lock's stages, or nothing."""
    try:
        return dict(read_yaml(root / "dvc.lock")["stages"])
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return {}


def locked_params(locked: Mapping[str, Any], name: str) -> Any:
    """The parameters that a stage last ran with."""
    return locked.get(name, {}).get("params", {}).get("params.yaml", {}).get(name)


def cache(root: Path) -> Path:
    """The folder of DVC's cache, which several workspaces may share. Raises T401 or T402 without DVC."""
    folder, config = _config(root)
    return Path(config["cache"].get("dir") or folder / "cache").resolve()


def remote(root: Path) -> str | None:
    """The remote that is used when none is named."""
    name = _config(root)[1]["core"].get("remote")
    return str(name) if name else None


def _config(root: Path) -> tuple[Path, Any]:
    """The folder .dvc, and DVC's configuration of all levels. Read in this process: one of its own takes a second."""
    require_workspace(root)
    from dvc.config import Config

    folders = (folder / ".dvc" for folder in (root.resolve(), *root.resolve().parents))
    found = next(folder for folder in folders if folder.is_dir())
    return found, Config(str(found))


def bring(root: Path, md5: str, out: Path) -> bool:
    """Copy an object of the default remote to `out`; whether the remote has it."""
    with _store(root) as store:
        if not store.exists(md5):
            return False
        store.fs.get(store.oid_to_path(md5), str(out))
    return True


def forget(root: Path, objects: list[str]) -> int:
    """Remove objects, named by their MD5, from the default remote; returns how many it had."""
    with _store(root) as store:
        held = [md5 for md5 in objects if store.exists(md5)]
        for md5 in held:
            store.delete(md5)
    return len(held)


@contextmanager
def _store(root: Path) -> Iterator[Any]:
    """The default remote, by the hash of what it holds. Raises T403 in DVC's own words when it cannot be reached."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            yield repo.cloud.get_remote_odb(None, "a release", hash_name="md5")
    except (DvcException, OSError) as error:
        help = "mend the remote (`dvc remote list`), or `dvc pull` what it takes"
        raise fail("T403", "DVC's remote cannot be reached", notes=(str(error)[:300],), help=help) from None


def _tell(line: str, hear: Callable[[Event, str], None]) -> None:
    for event, pattern in _LINES:
        if found := pattern.match(line):
            hear(event, found[1])


def _run(root: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        notes = tuple(line for line in done.stderr.strip().splitlines() if line)[-5:]
        raise fail("T403", f"`dvc {arguments[0]}` failed", notes=notes, help="mend what DVC names above")
    return done.stdout
