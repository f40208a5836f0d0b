"""What a build left behind, as dvc.lock names it: every file that a stage read or wrote, and what it must hash to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from compiler.emit import GUARD
from compiler.plan import BUILD
from stages.diagnostics import fail
from stages.rows import read_json

PACKAGE = f"{BUILD}/package"
VERDICT = f"{BUILD}/gate/verdict.json"
SCORES = f"{BUILD}/score/scores.json"
SPLITS = f"{BUILD}/splits/report.json"
ROWS = f"{BUILD}/data/accepted.jsonl"
UNANSWERED = f"{BUILD}/data/unanswered.jsonl"
TEST_ROWS = f"{BUILD}/splits/test.jsonl"
TEST_ANSWERS = f"{BUILD}/test/chosen.jsonl"
TEST_SPEED = f"{BUILD}/test/speed.json"
CONTRACT = f"{PACKAGE}/contract.json"
CODE = f"{BUILD}/{GUARD}"  # the guard's own files: the code's fingerprints
_DIRECTORY = ".dir"
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")


@dataclass(frozen=True)
class Entry:
    """A file of a build. md5: what dvc.lock says of it; None for a file of a folder that only DVC's cache could list.

    written: a stage's output, so the cache holds it; otherwise something that the user brought.
    """

    path: str
    md5: str | None
    written: bool


def cache_object(cache: Path, md5: str) -> Path:
    """Where DVC's cache holds the bytes of an MD5 (or, ending with `.dir`, a folder's list of files).

    Raises T456 when it is none: it may come from anyone's repository, and must not lead out of the cache.
    """
    if not _MD5.fullmatch(md5):
        raise fail(
            "T456", f"{md5[:80]!a} is no hash of DVC's", help="look who wrote it: `git log -- dvc.lock registry`"
        )
    return cache / "files" / "md5" / md5[:2] / md5[2:]


def entries(root: Path, lock: Mapping[str, Any], cache: Path) -> list[Entry]:
    """Every file of a build once, sorted by path, but for the fingerprints of code."""
    found: dict[str, Entry] = {}
    for stage in lock.values():
        for kind in ("deps", "outs"):
            for given in stage.get(kind, ()):
                for entry in _files(root, given, cache, written=kind == "outs"):
                    known = found.get(entry.path)
                    found[entry.path] = entry if known is None or entry.written else known
    return sorted((e for e in found.values() if not e.path.startswith(f"{CODE}/")), key=lambda entry: entry.path)


def _files(root: Path, given: Mapping[str, Any], cache: Path, *, written: bool) -> Iterator[Entry]:
    path, md5 = str(given["path"]), str(given.get("md5", ""))
    if not md5.endswith(_DIRECTORY):
        yield Entry(path, md5 or None, written)
        return
    listed = folder_list(cache, md5)
    if listed is not None:
        yield from (Entry(f"{path}/{name}", inner, written) for name, inner in listed.items())
    else:
        files = sorted(file for file in (root / path).rglob("*") if file.is_file())
        yield from (Entry(file.relative_to(root).as_posix(), None, written) for file in files)


def folder_list(cache: Path, md5: str) -> dict[str, str] | None:
    """The files of a folder's cache object, name -> MD5; None where the cache has none that can be read."""
    try:
        listed = {str(item["relpath"]): str(item["md5"]) for item in read_json(cache_object(cache, md5))}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return listed if all(inside(name) for name in listed) else None


def inside(name: str) -> bool:
    """Whether a path that a file names stays below the folder that it counts from."""
    return bool(name) and not PurePosixPath(name).is_absolute() and not re.search(r"(^|[/\\])\.\.([/\\]|$)|^\w:", name)


def code(root: Path) -> dict[str, dict[str, str]]:
    """Kind of stage -> its modules and libraries, each with its hash or version."""
    files = sorted((root / CODE).glob("*.txt"))
    return {file.stem: dict(line.rsplit(" ", 1) for line in file.read_text("utf-8").splitlines()) for file in files}


def locked(text: bytes | None) -> dict[str, Any]:
    """The stages of a dvc.lock that a commit holds; none where it holds none. The guard is none of them: where an older
    release has it there, what it wrote was never cached.
    """
    import yaml

    try:
        loaded = yaml.load(text or b"", Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - it is safe
        return {name: stage for name, stage in loaded["stages"].items() if name != GUARD}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError):
        return {}


def canonical(value: Any) -> str:
    """One text for equal values, to hash or to compare."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
