"""DVC's run cache, read from its files: whether a stage that changed would be restored instead of run.

Before DVC runs a stage it looks for an earlier run with the same inputs. Its key is a SHA-256 over the command, the
hashes of all dependencies, the parameters and the paths of all outputs; below it lies one file a run, which names the
outputs' hashes; the newest counts, when the cache still holds all that it names (`dvc/stage/cache.py`).

    .dvc/cache/runs/1f/1f0a…/93be…     cmd: …, deps: …, params: …, outs: [{path: …, md5: …}]
    .dvc/cache/files/md5/6f/1ed0…      an output
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stages import history
from stages.rows import read_yaml

Hash = Mapping[str, Any]  # {"hash": "md5", "md5": "…"}; of a folder it ends in .dir
_UNCOUNTED = ("size", "nfiles")
_PROTECTED = 0o444  # as DVC leaves what it has put into its cache; of such a file it takes the content for granted


@dataclass(frozen=True)
class Asked:
    """A stage as DVC would run it now. deps: path -> hash. params: the section of params.yaml with its name."""

    cmd: str
    deps: Mapping[str, Hash]
    params: Mapping[str, Any]
    outs: Sequence[str]

    @property
    def key(self) -> str:
        entry: dict[str, Any] = {"cmd": self.cmd, "outs": sorted(self.outs)}
        entry["deps"] = [{"path": path, **self.deps[path]} for path in sorted(self.deps)]
        if self.params:
            entry["params"] = {"params.yaml": dict(self.params)}
        return hashlib.sha256(json.dumps(_counted(entry), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Cache:
    """`root` is what `dvc cache dir` prints."""

    root: Path

    def run(self, asked: Asked) -> dict[str, Hash] | None:
        """Output -> hash of the newest run with these inputs, when all of them can be taken out of the cache."""
        folder = self.root / "runs" / asked.key[:2] / asked.key
        try:
            newest = max(folder.iterdir(), key=lambda file: file.stat().st_mtime)
            outs = outputs(read_yaml(newest))
        except (OSError, ValueError, yaml.YAMLError):
            return None
        return outs if self.holds(outs.values()) else None

    def holds(self, hashes: Iterator[Hash] | Any) -> bool:
        """Whether every one of these outputs can be taken out of the cache."""
        return all(self._whole(str(one.get("md5"))) for one in hashes)

    def _whole(self, name: str) -> bool:
        path = self.root / "files" / "md5" / name[:2] / name[2:]
        try:
            if not name.endswith(".dir"):
                return stat.S_IMODE(path.stat().st_mode) == _PROTECTED or history.look(path).md5 == name
            return all(self._whole(str(entry["md5"])) for entry in json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            return False

    @property
    def has_runs(self) -> bool:
        return (self.root / "runs").is_dir()


def outputs(entry: Any) -> dict[str, Hash]:
    """Output -> hash, of a stage in dvc.lock or of a run. Raises ValueError when it is neither."""
    try:
        return {str(one["path"]): hash_of(one) for one in entry["outs"]}
    except (TypeError, KeyError) as error:
        raise ValueError("this is no stage of dvc.lock") from error


def hash_of(entry: Mapping[str, Any]) -> Hash:
    """Of a dependency or output in dvc.lock, what says whether it is the same."""
    return {key: value for key, value in entry.items() if key not in ("path", *_UNCOUNTED)}


def hash_now(path: Path) -> Hash | None:
    """Of a file or folder of the user, as DVC would hash it; None when it cannot be told."""
    try:
        if path.is_dir():
            return {"hash": "md5", "md5": _folder(path)}
        executable = {"isexec": True} if path.stat().st_mode & stat.S_IXUSR else {}
        return {"hash": "md5", "md5": history.look(path).md5, **executable}
    except OSError:
        return None


def _folder(path: Path) -> str:
    """A folder's name in the cache: the md5 of a list of its files."""
    files = sorted(file for file in path.rglob("*") if file.is_file())
    listed = [{"md5": history.look(f).md5, "relpath": f.relative_to(path).as_posix()} for f in files]
    listed.sort(key=lambda entry: entry["relpath"])
    return f"{history.md5(json.dumps(listed, sort_keys=True).encode())}.dir"


def _counted(value: Any) -> Any:
    """Without sizes and counts, at any depth: DVC leaves them out, also of parameters that are called so."""
    if isinstance(value, Mapping):
        return {key: _counted(inner) for key, inner in value.items() if key not in _UNCOUNTED}
    return [_counted(inner) for inner in value] if isinstance(value, list | tuple) else value
