"""Small workspaces, made once a session; each test gets a copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.once import once
from tests.releasing import small as workspaces
from tests.releasing.small import Small, copy


@pytest.fixture(scope="session")
def made(for_all_workers: Path, zygote: Path) -> Path:
    return once(for_all_workers, "small", workspaces.make)


@pytest.fixture(scope="session")
def made_thrice(for_all_workers: Path, zygote: Path) -> Path:
    return once(for_all_workers, "released", workspaces.released)


@pytest.fixture
def small(made: Path, tmp_path: Path) -> Small:
    """Built, never released."""
    return copy(made, tmp_path / "w")


@pytest.fixture
def released(made_thrice: Path, tmp_path: Path) -> Small:
    """Released three times: v1, v1.0.1, v1.1."""
    return copy(made_thrice, tmp_path / "w")
