"""Stages that are forks of a warm process: like processes of their own, and gone when who asked for them is.

What a fork runs is a stand-in for `tunec run`, which says of itself what the test asks for.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tunec.executing import warm

STAND_IN = """\
import os, pathlib, sys, time
state = []
def main():
    state.append(1)
    print(sys.argv, os.environ.get("WHO"), os.environ.get("TUNEC_WARM"), len(state), sys.stdin.read())
    print("aside", file=sys.stderr)
    pathlib.Path("pid").write_text(str(os.getpid()))
    time.sleep(float(os.environ.get("SLEEPS", 0)))
    sys.exit(int(os.environ.get("ENDS", 0)))
"""
ASK = "import sys; from tunec.executing import warm; sys.exit({None: 77}.get(code := warm.run(sys.argv[1]), code))"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a stage of transformers and one without, and the stand-in for tunec."""
    stand_in = tmp_path / "stand-in" / "tunec"
    stand_in.mkdir(parents=True)
    (stand_in / "__init__.py").write_text("")
    (stand_in / "start.py").write_text(STAND_IN)
    place = tmp_path / "w"
    (place / "build" / "guard").mkdir(parents=True)
    (place / "build" / "guard" / "heavy.txt").write_text("transformers 5.0\nllama-cpp-python 0.3\n")
    (place / "build" / "guard" / "light.txt").write_text("jinja2 3.1\nstages/transformers.py 12\n")
    stages = "".join(f"  {name}:\n    deps: [build/guard/{name}.txt]\n" for name in ("heavy", "light"))
    (place / "dvc.yaml").write_text(f"stages:\n{stages}")
    monkeypatch.setenv("PYTHONPATH", str(stand_in.parent))
    return place


@pytest.fixture
def address(place: Path) -> Iterator[str]:
    with warm.warm() as environ:
        until(lambda: Path(environ[warm.ADDRESS]).exists())
        yield environ[warm.ADDRESS]


def until(holds: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def ask(place: Path, address: str, stage: str = "heavy", **environ: str) -> subprocess.Popen[bytes]:
    """`tunec run STAGE` as far as it asks for a fork; it ends with 77 where it would have to do the work itself."""
    env = {**os.environ, warm.ADDRESS: address, **environ}
    del env["PYTHONPATH"]  # the asking is not the stand-in's
    (place / "in").write_text("said")
    with (place / "in").open() as given, (place / "out").open("w") as out, (place / "err").open("w") as err:
        command = [sys.executable, "-P", "-c", ASK, stage]
        return subprocess.Popen(command, cwd=place, env=env, stdin=given, stdout=out, stderr=err)


def fork(place: Path) -> psutil.Process:
    until(lambda: (place / "pid").is_file() and (place / "pid").read_text())
    return psutil.Process(int((place / "pid").read_text()))


def test_a_fork_has_the_streams_the_folder_the_environment_and_the_exit_code_of_a_process(
    place: Path, address: str
) -> None:
    assert ask(place, address, WHO="me", ENDS="3").wait(20) == 3
    assert (place / "out").read_text() == "['tunec', 'run', 'heavy'] me None 1 said\n"
    assert (place / "err").read_text() == "aside\n"
    assert ask(place, address, WHO="you").wait(20) == 0
    assert "you None 1 said" in (place / "out").read_text(), "the next one knows nothing of the first"


def test_a_fork_ends_with_the_command_that_asked_for_it(place: Path, address: str) -> None:
    asked = ask(place, address, SLEEPS="60")
    process = fork(place)
    asked.kill()
    asked.wait()
    until(lambda: not process.is_running())


def test_a_fork_that_the_system_kills_is_told_as_killed(place: Path, address: str) -> None:
    asked = ask(place, address, SLEEPS="60")
    fork(place).kill()
    assert asked.wait(20) == warm.KILLED


def test_a_stage_without_transformers_is_none_of_its(place: Path, address: str) -> None:
    assert ask(place, address, "light").wait(20) == 77


def test_where_nobody_is_warm_a_stage_imports_for_itself(place: Path, tmp_path: Path) -> None:
    assert ask(place, str(tmp_path / "gone")).wait(20) == 77


def test_the_warm_process_ends_with_the_build_and_leaves_nothing(place: Path) -> None:
    with warm.warm() as environ:
        folder = Path(environ[warm.ADDRESS]).parent
        until(lambda: (folder / "socket").exists())
        assert oct(folder.stat().st_mode)[-3:] == "700", "nobody else may ask it"
    assert not folder.exists()


def test_the_warm_process_ends_with_a_build_that_was_killed(place: Path) -> None:
    hold = "from tunec.executing.warm import warm\nwith warm() as e: print(e['TUNEC_WARM'], flush=True); input()"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-P", "-c", hold], stdin=pipe, stdout=pipe, env=env, text=True) as build:
        assert build.stdout
        address = Path(build.stdout.readline().strip())
        until(address.exists)
        [process] = psutil.Process(build.pid).children()
        build.kill()
    until(lambda: not process.is_running() and not address.parent.exists())
