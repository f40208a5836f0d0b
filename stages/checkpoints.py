"""States of a training that was not finished, so that the next run of the same stage goes on where the last one ended.

They lie outside all outputs (build/.checkpoints/STAGE/KEY/step-000120/), for where a run was cut off is no part of
what it makes. The key stands for all that the stage was given: its parameters, the bytes of its inputs, its code and
libraries. Without a runner there is no place, and nothing is kept.

    step-000120/state.safetensors   every tensor: weights, optimizer, random numbers
    step-000120/state.json          the rest: step, losses, schedule
    step-000120/manifest.json       sha256 of the two; written last, so a folder without it is none
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages import progress
from stages.diagnostics import Diagnostic
from stages.rows import read_json, sha256, write_json

KEPT = 2  # the newest, and one to fall back to
TENSORS, REST, MANIFEST = "state.safetensors", "state.json", "manifest.json"

_place: Callable[[], Path] | None = None


@dataclass(frozen=True)
class Checkpoint:
    """tensors: by name, as safetensors holds them. rest: what JSON holds."""

    step: int
    tensors: Mapping[str, Any]
    rest: Mapping[str, Any]


def keep_at(place: Callable[[], Path] | None) -> None:
    """Where checkpoints of this process go: asked once there is something to keep. None: nowhere."""
    global _place
    _place = place


def place() -> Path | None:
    return _place() if _place else None


def save(home: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint below `home`; of the others only the newest stays, and none of another key.

    Raises OSError when the disk is full; what was kept before is kept still.
    """
    from safetensors.torch import save_file

    folder = home / f"step-{checkpoint.step:06}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        save_file(dict(checkpoint.tensors), folder / TENSORS)
        write_json(folder / REST, {"step": checkpoint.step, **checkpoint.rest})
        _seal(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _forget_others(home)


def _seal(folder: Path) -> None:
    """The manifest comes into being in one step, and only once what it names is on the disk."""
    for name in (TENSORS, REST):
        _to_disk(folder / name)
    aside = folder / f"{MANIFEST}.part"
    write_json(aside, {name: sha256(folder / name) for name in (TENSORS, REST)})
    _to_disk(aside)
    aside.replace(folder / MANIFEST)


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _forget_others(home: Path) -> None:
    for old in _complete(home)[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    for other in home.parent.iterdir():
        if other != home:
            shutil.rmtree(other, ignore_errors=True)


def newest(home: Path) -> Iterator[Checkpoint]:
    """The checkpoints below `home` that are whole, newest first; of each that is not, a warning is told (T660)."""
    for folder in _complete(home):
        try:
            yield _read(folder)
        except (OSError, ValueError, KeyError) as error:
            message = f"the checkpoint {folder.name} is damaged ({error}); training goes on from an older one, or anew"
            progress.warn(
                Diagnostic("T660", message, help="look at the disk; the result is the same", severity="warning")
            )
            shutil.rmtree(folder, ignore_errors=True)


def _complete(home: Path) -> list[Path]:
    """The folders that have a manifest, newest first."""
    found = [folder for folder in home.glob("step-*") if (folder / MANIFEST).is_file()]
    return sorted(found, key=lambda folder: folder.name, reverse=True)


def _read(folder: Path) -> Checkpoint:
    """Raises OSError, ValueError or KeyError for what is not as it was written."""
    from safetensors.torch import load_file

    for name, expected in read_json(folder / MANIFEST).items():
        if name not in (TENSORS, REST) or sha256(folder / name) != expected:
            raise ValueError(f"{name} is not what was written")
    rest = read_json(folder / REST)
    return Checkpoint(int(rest.pop("step")), load_file(folder / TENSORS), rest)
