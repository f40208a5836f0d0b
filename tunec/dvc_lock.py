"""dvc.lock: what the last run of each stage saw, and its mending where a kill left half of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import yaml

from stages.rows import read_yaml
from tunec.alone import is_taken
from tunec.dvc import LOCKS, LOG

_LOOKS, _PAUSE = 30, 0.1  # at a lock file that a build is writing; seconds between them


def stages(root: Path) -> dict[str, Any]:
    """What the last run of each stage saw: dvc.lock's stages, or nothing."""
    beside = beside_a_build(root).get("dvc.lock")
    return _stages(root / "dvc.lock") if beside is None else dict(_parsed(beside).get("stages", {}))


def beside_a_build(root: Path) -> dict[str, str]:
    """The lock files by name while a build writes them, which it does not do at once: as they are between two times.
    Nothing where no build runs.
    """
    return {name: text for name in LOCKS if is_taken(root) and (text := _whole(root / name)) is not None}


def _whole(path: Path) -> str | None:
    """None where there is no such file, or where it is never whole."""
    for _ in range(_LOOKS):
        try:
            text = path.read_text(encoding="utf-8")
            if _is_whole(_parsed(text)):
                return text
        except FileNotFoundError:
            return None
        except (ValueError, yaml.YAMLError):
            pass
        time.sleep(_PAUSE)
    return None


def _parsed(text: str) -> Any:
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - it is a safe loader


def of_the_graph(root: Path) -> dict[str, Any]:
    """Of those, the ones that dvc.yaml has: DVC leaves in dvc.lock what a graph once had, and nobody makes any more."""
    known = _stages(root / "dvc.yaml")
    return {name: stage for name, stage in stages(root).items() if name in known}


def _stages(file: Path) -> dict[str, Any]:
    try:
        return dict(read_yaml(file)["stages"])
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return {}


def mend(root: Path) -> bool:
    """Put a dvc.lock aside that DVC would refuse: it does not write it at once, so a kill can leave half of it. What
    it told is in DVC's run cache as well, from which the next build takes it. Returns whether there was such a one.
    """
    broken = [root / name for name in LOCKS if not _is_sound(root / name)]
    for path in broken:
        (root / LOG).parent.mkdir(parents=True, exist_ok=True)
        path.replace(root / LOG.parent / f"{path.relative_to(root).as_posix().replace('/', '-')}.broken")
    return bool(broken)


def _is_sound(path: Path) -> bool:
    try:
        return not path.is_file() or _is_whole(read_yaml(path))
    except (OSError, ValueError, yaml.YAMLError):
        return False


def _is_whole(lock: Any) -> bool:
    """Whether every stage has a command, every file that it names a path and a hash, and nothing is left empty."""
    stages = lock.get("stages", {}) if isinstance(lock, dict) else None
    if not isinstance(stages, dict) or "schema" not in lock:
        return False
    entries = [entry for entry in stages.values() if isinstance(entry, dict) and isinstance(entry.get("cmd"), str)]
    lists = [entry[name] for entry in entries for name in ("deps", "outs") if name in entry]
    files = [one for listed in lists if isinstance(listed, list) for one in listed]
    params = [entry["params"] for entry in entries if "params" in entry]
    return (
        len(entries) == len(stages)
        and all(isinstance(listed, list) for listed in lists)
        and all(isinstance(one, dict) and {"path", "hash", "md5"} <= one.keys() for one in files)
        and all(value is not None for one in files for value in one.values())
        and all(isinstance(one, dict) and all(isinstance(of, dict) for of in one.values()) for one in params)
    )
