"""Whether the rows that the last build read are still those that stand there."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

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
    return all((now := hash_now(root / file)) and now["md5"] == read[file]["md5"] for file in files)
