"""One sshd for a worker; each test gets its own workspace and its own folder on the host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.executing.places import LACKING, Place, Server, make, server


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if LACKING:
        pytest.skip(f"{', '.join(LACKING)} is not installed: apt-get install openssh-server openssh-client rsync")
    with server(tmp_path_factory.mktemp("sshd") / "s") as found:
        yield found


@pytest.fixture
def host(_server: Server, tmp_path: Path) -> Server:
    """The host, with nothing of another test's on it."""
    return _server.anew(tmp_path / "host")


@pytest.fixture
def place(host: Server, tmp_path: Path) -> Place:
    """A workspace whose stages run on the host."""
    made = make(tmp_path / "w", host.environ)
    made.execute(host.execution())
    return made
