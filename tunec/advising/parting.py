"""How many rows a task trains on: as the last build parted them, or as it would part those that are there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from compiler import Compiled
from compiler.plan import BUILD, Instance
from stages.counting import counted
from tunec import dvc_lock
from tunec.as_built import unchanged
from tunec.observing import Observed
from tunec.observing.of_task import for_train

_PARTED = ("data", "splits")  # the stages that decide which rows are trained on


@dataclass(frozen=True)
class ToTrain:
    """rows: of the train split. source: whose word it is. told: in words."""

    rows: int
    source: Literal["data", "build"]
    told: str


def to_train(root: Path, compiled: Compiled, seen: Observed) -> ToTrain:
    """By the build, while rows and keys are those that it read; else reckoned from the shares that the splits take."""
    built = _of_the_build(root, compiled)
    if built is not None:
        return ToTrain(built, "build", f"{_of(built, seen)}, as the last build parted them")
    rows = _reckoned(root, compiled, seen)
    doubled = f", and {counted(seen.duplicates, 'row', 'is', 'are')} doubled" if seen.duplicates else ""
    return ToTrain(rows, "data", f"about {_of(rows, seen)}; other splits take the rest{doubled}")


def _of(rows: int, seen: Observed) -> str:
    return f"{rows:,} of {counted(seen.total - seen.unreadable, 'row')} to train on"


# ---------------------------------------------------------------- as it was built


def _of_the_build(root: Path, compiled: Compiled) -> int | None:
    locked = dvc_lock.stages(root)
    stages = [compiled.plan[name] for name in _PARTED]
    if not all(_as_it_was(root, stage, locked.get(stage.name, {})) for stage in stages):
        return None
    try:
        return int(json.loads((root / BUILD / "splits" / "report.json").read_text(encoding="utf-8"))["train"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _as_it_was(root: Path, stage: Instance, entry: Mapping[str, Any]) -> bool:
    """Whether the files of the user and the keys that a stage reads are those that it last read."""
    params = entry.get("params", {}).get("params.yaml", {}).get(stage.name)
    files = [path for path in stage.dependencies() if not path.startswith(f"{BUILD}/")]
    return params == _plain(stage.params) and unchanged(root, entry, files)


def _plain(value: Any) -> Any:
    """As it is read in dvc.lock."""
    return json.loads(json.dumps(value))


# ---------------------------------------------------------------- as it would be


def _reckoned(root: Path, compiled: Compiled, seen: Observed) -> int:
    """Of the rows that name no split, or of the train rows where all name one, dev and test take their shares; a split
    that the data names takes none. Doubled rows count once, and are taken to be as frequent in each split.
    """
    ratios, roles = compiled.task.splits.ratios, {source.role for source in compiled.task.data.sources}
    taken = roles | set(seen.splits)
    share = sum(float(getattr(ratios, name)) for name in ("dev", "test") if name not in taken)
    once = 1 - seen.duplicates / max(1, seen.looked)
    named = max(seen.splits.get("train", 0) * seen.total / max(1, seen.looked), for_train(root, compiled))
    open_ = max(0.0, seen.trainable - named)
    drawn = open_ if round(open_) else seen.trainable
    return round(once * (seen.trainable - share * drawn))
