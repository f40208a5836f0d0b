"""Where DVC keeps what was built: its cache, and the remote that shares it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.diagnostics import fail
from tunec.dvc import environment, require_workspace


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


def require_remote(root: Path) -> None:
    """Raises T547 where there is no default remote to share results through."""
    if remote(root) is None:
        help = "`dvc remote add -d NAME URL`: a folder, ssh://, s3://, gs://, azure:// and more"
        raise fail("T547", "there is no DVC remote to share results through", help=help)


def push(root: Path) -> None:
    """Bring what was built to the default remote, and which inputs it was built from. Raises T547 when that fails."""
    command = [sys.executable, "-m", "dvc", "push", "--quiet", "--run-cache"]
    done = subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        notes = tuple(line for line in done.stderr.strip().splitlines() if line)[-3:]
        help = "mend the remote (`dvc remote list`), then `tunec build --push` again: what is built stays built"
        raise fail("T547", "what was built could not be pushed", notes=notes, help=help)


def bring(root: Path, md5: str, out: Path) -> bool:
    """Copy an object of the default remote to `out`; whether the remote has it."""
    with _store(root) as store:
        if not store.exists(md5):
            return False
        store.fs.get(store.oid_to_path(md5), str(out))
    return True


def send(root: Path, objects: Mapping[str, Path]) -> int:
    """Copy objects, named by their MD5, to the default remote; returns how many it lacked."""
    from dvc_objects.fs.local import LocalFileSystem

    with _store(root) as store:
        lacking = {md5: path for md5, path in objects.items() if not store.exists(md5)}
        for md5, path in lacking.items():
            store.add(str(path), LocalFileSystem(), md5)
    return len(lacking)


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
