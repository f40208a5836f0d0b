"""Stages on another machine, through a real sshd: the same bytes as here, and after whatever goes wrong a build that
can go on, with nothing half in place.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.executing.places import OUTPUTS, Place, Server, free_port, make, until

pytestmark = pytest.mark.slow


def objects(host: Server) -> dict[str, int]:
    """What lies there, and the inode of each: one that was sent again has another."""
    return {file.name: file.stat().st_ino for file in (host.far / "objects").iterdir()}


def runs(host: Server) -> list[Path]:
    """The folders of stages that run there, or were left."""
    return list((host.far / "runs").glob("*/*"))


def alive(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


# ---------------------------------------------------------------- as it should be


def test_a_stage_writes_there_what_it_writes_here(place: Place, host: Server, tmp_path: Path) -> None:
    here = make(tmp_path / "here")
    for stage in ("data", "splits"):
        here.run_here(stage)
        place.run(stage)
        assert place.written(stage) == here.written(stage)
    assert set(OUTPUTS) == place.written("data").keys()
    assert len(host.ran()) == 2
    assert not runs(host)
    assert not (place.root / "build/.tmp/.far").exists() or not list((place.root / "build/.tmp/.far").iterdir())


def test_what_lies_there_is_not_sent_again(place: Place, host: Server) -> None:
    place.run("data")
    before = objects(host)
    place.run("data")
    place.run("splits")
    assert before.items() <= objects(host).items()


@pytest.mark.thorough
def test_a_model_of_the_workspace_goes_along_with_the_folder_that_pins_it(place: Place, host: Server) -> None:
    from stages.runner import Work
    from tunec.executing.parcel import Parcel

    place.run("model-tiny")
    work = Work("train", _stage("splits"), {"inputs": {"model": "build/model-tiny/base"}}, {}, {})
    text = (place.root / "dvc.yaml").read_text()
    (place.root / "dvc.yaml").write_text(text.replace("\n  splits:\n", "\n  train:\n"))
    found = Parcel.of(place.root, work).inputs
    assert {"models/tiny/config.json", "models/tiny/model.safetensors"} < found.keys()


def _stage(name: str) -> object:
    from stages.base import Stage
    from stages.catalog import members

    return members("stages", "STAGE", Stage)[name]


@pytest.mark.thorough
def test_a_login_that_prints_is_no_trouble(place: Place, host: Server) -> None:
    greeting = 'echo "Welcome to the cluster"; echo "{}"; echo \'[1]\''
    place.execute(host.execution(python=str(host.python("greets", first=greeting))))
    place.run("data")
    assert place.written("data")


def test_progress_and_what_a_stage_prints_come_across(place: Place) -> None:
    told = place.root / "events.jsonl"
    Place(place.root, {**place.environ, "TUNEC_EVENTS": str(told)}).tunec("run", "data")
    assert '"event": "ended"' in told.read_text()
    assert "sending" in told.read_text()


def test_what_a_stage_refuses_there_is_told_as_here(place: Place, tmp_path: Path) -> None:
    for where in (here := make(tmp_path / "here")), place:
        (where.root / "data/raw/rows.jsonl").write_text('{"text": "a", "output": {"people": 2}}\n')
    local = here.tunec("run", "data", code=1)
    assert "error[T301]" in local
    there = place.tunec("run", "data", code=1)
    assert there[there.index("error[") :] == local[local.index("error[") :], "but for how far it came meanwhile"


# ---------------------------------------------------------------- what cannot begin


def test_a_host_that_is_down_is_named(place: Place, host: Server) -> None:
    place.execute(host.execution(port=free_port()))
    assert "127.0.0.1 cannot be reached" in place.refused("T530")
    assert "Connection refused" in place.refused("T530")


@pytest.mark.thorough
def test_a_name_that_nobody_knows_is_a_host_that_cannot_be_reached(place: Place, host: Server) -> None:
    place.execute(host.execution(host="nobody.invalid"))
    place.refused("T530")


def test_a_key_that_the_host_does_not_take_is_said(place: Place, host: Server) -> None:
    place.execute(host.execution(key=str(host.folder / "host_key")))
    place.refused("T532")


@pytest.mark.thorough
def test_a_host_without_that_python_is_said(place: Place, host: Server) -> None:
    place.execute(host.execution(python="no/such/python"))
    assert "cannot run no/such/python" in place.refused("T533")


@pytest.mark.thorough
def test_a_host_without_tunec_is_said(place: Place, host: Server) -> None:
    bare = host.python("bare", command=f'unset PYTHONPATH; exec {os.path.realpath("/proc/self/exe")} -S "$@"')
    place.execute(host.execution(python=str(bare)))
    assert "pip install tunec" in place.refused("T533")


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("stages/data.py ", "stages/data.py 0", "stages/data.py is another"),
        pytest.param("pyarrow ", "pyarrow 9", "pyarrow is ", marks=pytest.mark.thorough),
        pytest.param("python 3", "python 4", "python is 3", marks=pytest.mark.thorough),
    ],
)
def test_a_host_that_would_build_something_else_is_told_apart(
    place: Place, before: str, after: str, named: str
) -> None:
    file = place.root / "build/guard/data.txt"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))
    assert named in place.refused("T534")


@pytest.mark.thorough
def test_which_build_of_a_library_the_host_has_is_its_own_matter(place: Place) -> None:
    file = place.root / "build/guard/data.txt"
    lines = [f"{line}+cu128" if line.startswith("pyarrow ") else line for line in file.read_text().splitlines()]
    file.write_text("\n".join(lines) + "\n")
    place.run("data")
    assert place.written("data")


def test_a_host_without_rsync_is_said(place: Place, host: Server) -> None:
    python = host.python("poor", first=f"export PATH={host.own}/nothing")
    place.execute(host.execution(python=str(python)))
    assert "rsync is not installed on" in place.refused("T539")


@pytest.mark.thorough
def test_a_machine_without_rsync_is_said(place: Place, host: Server) -> None:
    poor = Place(place.root, {"PATH": str(host.own / "bin")})
    assert "rsync is not installed here" in poor.refused("T539")


# ---------------------------------------------------------------- what breaks off


class Proxy:
    """A port that leads to the host, until so many bytes have gone one way; then it is cut for good."""

    def __init__(self, to: int, *, up: int | None = None, down: int | None = None) -> None:
        self.left = {"up": up, "down": down}
        self.gone = {"up": 0, "down": 0}
        self.to = to
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.server.getsockname()[1])
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        for one in [self.server, *self.open]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.server.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
                self.open += [near, far]
                threading.Thread(target=self._pass, args=(near, far, "up"), daemon=True).start()
                threading.Thread(target=self._pass, args=(far, near, "down"), daemon=True).start()

    def _pass(self, source: socket.socket, to: socket.socket, way: str) -> None:
        with suppress(OSError):
            while piece := source.recv(16_384):
                self.gone[way] += len(piece)
                limit = self.left[way]
                if limit is not None and self.gone[way] > limit:
                    self.cut()
                    return
                to.sendall(piece)
        for one in (source, to):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


WEIGHTS = 12_000_000  # bytes


def heavy(place: Place) -> None:
    """The model of the workspace takes a while to send."""
    (place.root / "models/tiny/model.safetensors").write_bytes(os.urandom(WEIGHTS))


def through(proxy: Proxy, place: Place, host: Server) -> None:
    """From now on the workspace reaches the host by way of this port."""
    host.known((host.folder / "host_key.pub").read_text(), port=proxy.port)
    place.execute(host.execution(port=proxy.port))


def test_a_connection_lost_while_files_are_sent_is_taken_up_where_it_broke(place: Place, host: Server) -> None:
    heavy(place)
    through(Proxy(host.port, up=8_000_000), place, host)
    assert "while files were sent" in place.refused("T535", "model-tiny")
    assert not place.written("model-tiny") and not host.ran()
    kept = max(file.stat().st_size for file in (host.far / "incoming").glob("*/*"))
    assert 0 < kept < WEIGHTS
    through(whole := Proxy(host.port), place, host)
    place.run("model-tiny")
    assert whole.gone["up"] < WEIGHTS - kept + 500_000, "it began from the beginning"
    assert place.written("model-tiny")


def test_a_connection_lost_while_results_are_fetched_runs_nothing_again(place: Place, host: Server) -> None:
    (place.root / "data/raw/rows.jsonl").write_text(_many_rows())
    through(Proxy(host.port, down=300_000), place, host)
    assert "while results were fetched" in place.refused("T535", "data")
    assert not place.written("data")
    through(Proxy(host.port), place, host)
    place.run("data")
    assert len(host.ran()) == 1
    here = make(place.root.parent / "here")
    (here.root / "data/raw/rows.jsonl").write_text(_many_rows())
    here.run_here("data")
    assert place.written("data") == here.written("data")


def _many_rows() -> str:
    """Half a megabyte that does not shrink."""
    import hashlib
    import json

    texts = (hashlib.sha512(str(n).encode()).hexdigest() for n in range(3000))
    return "".join(json.dumps({"text": text, "output": {"people": "2"}}) + "\n" for text in texts)


def test_a_connection_lost_while_a_stage_runs_ends_the_stage(place: Place, host: Server) -> None:
    host.hold.touch()
    through(proxy := Proxy(host.port), place, host)
    with place.start("run", "data") as process:
        until(host.ran)
        proxy.cut()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and "error[T535]" in said
    until(lambda: not alive(host.ran()[0]))
    host.hold.unlink()
    place.execute(host.execution())
    place.run("data")
    assert place.written("data") and len(host.ran()) == 2


def test_a_stage_that_is_killed_there_is_said_and_can_be_run_again(place: Place, host: Server) -> None:
    host.hold.touch()
    with place.start("run", "data") as process:
        until(host.ran)
        os.kill(host.ran()[0], signal.SIGKILL)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "error[T538]" in said and "was killed (signal 9)" in said
    assert not place.written("data") and not runs(host)
    host.hold.unlink()
    place.run("data")
    assert place.written("data")


@pytest.mark.thorough
def test_an_agent_that_is_killed_there_takes_its_stage_along(place: Place, host: Server) -> None:
    host.hold.touch()
    with place.start("run", "data") as process:
        until(host.ran)
        stage = host.ran()[0]
        host.hold.unlink()
        psutil.Process(stage).parent().kill()  # type: ignore[union-attr]
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and "error[T535]" in said
    until(lambda: not alive(stage))
    place.run("data")
    assert place.written("data")


@pytest.mark.parametrize(
    "how",
    [*(pytest.param(s, marks=pytest.mark.thorough) for s in (signal.SIGINT, signal.SIGTERM)), signal.SIGKILL],
    ids=lambda how: how.name,
)
def test_stopping_here_stops_there(place: Place, host: Server, how: signal.Signals) -> None:
    host.hold.touch()
    with place.start("run", "data") as process:
        until(host.ran)
        process.send_signal(how)
        process.communicate(timeout=60)
    assert process.returncode
    until(lambda: not alive(host.ran()[0]) and not runs(host))
    assert not place.written("data")
    host.hold.unlink()
    place.run("data")
    assert place.written("data")


@pytest.mark.thorough
def test_a_file_that_was_spoilt_there_is_sent_again(place: Place, host: Server) -> None:
    place.run("data")
    for file in (host.far / "objects").iterdir():
        file.chmod(0o644)
        content = file.read_bytes()
        file.write_bytes(bytes([content[0] ^ 1]) + content[1:] if content else b"")
    place.run("splits")
    assert place.written("splits")


@pytest.fixture
def small_disk(host: Server) -> Iterator[Server]:
    """The host's folder on a disk of 3 MB."""
    host.far.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(host.far)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs the right to mount one")
    yield host
    subprocess.run(["umount", "-l", str(host.far)], check=True)


@pytest.mark.thorough
def test_a_disk_there_that_cannot_take_the_inputs_is_said_before_anything_is_sent(
    place: Place, small_disk: Server
) -> None:
    heavy(place)
    said = place.refused("T536", "model-tiny")
    assert "bytes to send" in said
    assert not list((small_disk.far / "incoming").glob("*/*"))


@pytest.mark.thorough
def test_a_disk_there_that_fills_up_while_files_are_sent_is_said(place: Place, small_disk: Server) -> None:
    """Somebody else fills it meanwhile: the agent is told of more room than there is."""
    code = "from tunec.executing import far, store; store.Store.free = lambda self: 10**12; far.main()"
    heavy(place)
    python = small_disk.python("sees-room", command=f'exec {sys.executable} -P -c "{code}"')
    place.execute(small_disk.execution(python=str(python)))
    place.refused("T536", "model-tiny")


def test_a_disk_there_that_fills_up_while_a_stage_writes_is_said(place: Place, small_disk: Server) -> None:
    (place.root / "data/raw/rows.jsonl").write_text(_many_rows())
    small_disk.hold.touch()
    with place.start("run", "data") as process:
        until(small_disk.ran)
        (small_disk.far / "filled").write_bytes(b"x" * (shutil.disk_usage(small_disk.far).free - 8192))
        small_disk.hold.unlink()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and "error[T536]" in said, said
    assert not place.written("data")
    (small_disk.far / "filled").unlink()
    place.run("data")
    assert place.written("data")


@pytest.mark.thorough
def test_two_stages_at_once_share_what_is_sent(place: Place, host: Server) -> None:
    with place.start("run", "model-tiny") as one, place.start("run", "data") as other:
        for process in (one, other):
            _, said = process.communicate(timeout=120)
            assert process.returncode == 0, said
    assert place.written("data") and place.written("model-tiny")
