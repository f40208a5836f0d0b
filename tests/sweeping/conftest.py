"""A workspace with two base models, whose dear stages are stand-ins: see tests/rebuilds/stand_in.py."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.once import once
from tests.rebuilds.conftest import Workspace, make
from tests.rebuilds.stand_in import RAN, TOLD

BOTH = "base_model=models/tiny,models/other"
RANKS = "training.lora.r=8,16,32"
FORMATS = "quantization=q8_0,q5_k_m,q4_k_m"
EIGHTEEN = ("sweep", "-m", BOTH, RANKS, FORMATS)
FOUR = ("sweep", "-m", "training.lora.r=8,16", "quantization=q8_0,q4_k_m")
BLOCK = "sweep={training.lora.r: [8, 16], quantization: [q8_0, q4_k_m]}"  # the same in task.yaml's words


def counted(workspace: Workspace) -> Counter[str]:
    """Stage -> how often it ran since the last look."""
    ran = workspace.root / RAN
    names = ran.read_text(encoding="utf-8").split() if ran.is_file() else []
    ran.unlink(missing_ok=True)
    return Counter(names)


def by_kind(ran: Counter[str]) -> dict[str, int]:
    """The first word of each stage's name -> how many of them ran."""
    return dict(Counter(name.partition("-")[0] for name in ran))


def tell(workspace: Workspace, **told: object) -> None:
    """What stages are to do: slow={"train": 2}, fail=["train-tiny-r8"]."""
    (workspace.root / TOLD).write_text(json.dumps(told), encoding="utf-8")


@pytest.fixture(scope="session")
def unbuilt(for_all_workers: Path) -> Workspace:
    """Made once for all workers of a session."""
    shared = once(for_all_workers, "sweeping", make_unbuilt)
    return Workspace(shared / "w", shared / "house")


def make_unbuilt(to: Path) -> None:
    made = make(to)
    made.write("models/other/config.json", "{}\n")
    made.write("models/other/model.safetensors", "other weights\n")


@pytest.fixture
def workspace(unbuilt: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it and its house; nothing is built."""
    return unbuilt.copy(tmp_path)


@pytest.fixture(scope="session")
def built(unbuilt: Workspace, for_all_workers: Path) -> Workspace:
    """The four, written as `sweep:` and built by `dvc repro` alone; made once for all workers."""
    shared = once(for_all_workers, "four", lambda to: build_four(unbuilt.copy(to)))
    return Workspace(shared / "w", shared / "house")


def build_four(made: Workspace) -> None:
    made.compile(BLOCK)
    made.repro()  # which looks that nothing ran twice
    counted(made)


@pytest.fixture
def four(built: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it."""
    return built.copy(tmp_path)
