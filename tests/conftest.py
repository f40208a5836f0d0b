"""What all tests share: where the repository is, and `--update-golden`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
from filelock import FileLock

from tests.far import KEY, Far

ROOT = Path(__file__).parent.parent
if "PYTEST_XDIST_WORKER" in os.environ:  # workers side by side, each with a thread a core, would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="Write the expected files anew instead of comparing.")


def pytest_unconfigure() -> None:
    """llama-cpp-python opens /dev/null twice as it is imported, and leaves it open: Python would say so after pytest's
    last line, for it judges what it finds at its end by the filters of the last warning before.
    """
    if opened := sys.modules.get("llama_cpp._utils"):
        opened.outnull_file.close()
        opened.errnull_file.close()


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """`golden(path, text)`: the file holds exactly this text; `--update-golden` makes it so."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"{path} is missing; run pytest with --update-golden and read what it writes"
        assert text == path.read_text(encoding="utf-8")

    return compare


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """An endpoint on this machine, its key in FAR_KEY, and a folder of the test's own to work in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAR_KEY", KEY)
    made = Far()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="session")
def for_all_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test session that all its workers share; without workers, the session's own."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def zygote(for_all_workers: Path) -> Iterator[Path]:
    """The folder of a zygote (tests/zygote.py): of one for all workers, which ends with the session."""
    from tests.zygote import client, start
    from tunec import dvc

    folder = for_all_workers / "zygote"
    with FileLock(f"{folder}.lock"):
        if not (folder / "socket").exists():
            shutil.rmtree(folder, ignore_errors=True)
            start(folder, until=os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid())
    with mock.patch.object(dvc, "_WAITING", client(folder, "waiting")):
        yield folder
