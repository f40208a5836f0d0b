"""One small workspace a session; each test gets a copy."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock

from tests.releasing.small import Small, copy, make


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shared = tmp_path_factory.getbasetemp().parent / "small"
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            making = shared.with_name("making-small")
            make(making)
            making.rename(shared)
    return shared


@pytest.fixture
def small(made: Path, tmp_path: Path) -> Small:
    return copy(made, tmp_path / "w")
