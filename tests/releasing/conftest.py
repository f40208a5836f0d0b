"""Small workspaces, made once a session; each test gets a copy."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from tests.releasing import small as workspaces
from tests.releasing.small import Small, copy


def once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Small]) -> Path:
    """One for all workers of a session, and none for the next session."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            making = shared.with_name(f"making-{name}")
            make(making)
            making.rename(shared)
    return shared


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "small", workspaces.make)


@pytest.fixture(scope="session")
def made_thrice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "released", workspaces.released)


@pytest.fixture
def small(made: Path, tmp_path: Path) -> Small:
    """Built, never released."""
    return copy(made, tmp_path / "w")


@pytest.fixture
def released(made_thrice: Path, tmp_path: Path) -> Small:
    """Released three times: v1, v1.0.1, v1.1."""
    return copy(made_thrice, tmp_path / "w")
