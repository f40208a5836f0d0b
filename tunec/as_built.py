"""Whether the files that the last build read are still those that stand there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tunec import dvc_lock
from tunec.dvc_cache import hash_now

_HASHED = 64 * 1024 * 1024  # bytes, a tenth of a second; of more, nobody waits for the answer


def reads_these(root: Path, files: Collection[str]) -> bool:
    """Whether the data stage last read these files of the sources and no others, as they are now. False where that
    cannot be told quickly. Raises what a dvc.lock without the stage, or of another form, raises: KeyError, TypeError.
    """
    entry = dvc_lock.stages(root)["data"]
    sources = entry["params"]["params.yaml"]["data"]["sources"]
    if {file for source in sources for file in source["files"]} != set(files):
        return False
    read = {dep["path"]: dep for dep in entry["deps"]}
    sizes = {file: (root / file).stat().st_size for file in files}
    if sum(sizes.values()) > _HASHED or any(read[file]["size"] != size for file, size in sizes.items()):
        return False
    return unchanged(root, entry, files)


def unchanged(root: Path, entry: Mapping[str, Any], files: Collection[str]) -> bool:
    """Whether a stage last read these files as they are now. entry: its own in dvc.lock."""
    read = {dep["path"]: dep.get("md5") for dep in entry.get("deps", ())}
    return all((now := hash_now(root / file)) and now["md5"] == read.get(file) for file in files)
