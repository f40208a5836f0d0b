"""Stages that are forks of a warm process: like processes of their own, and gone when who asked for them is.

What a fork runs is a stand-in for `tunec run`, which says of itself what the test asks for.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from compiler.emit import fingerprint_path
from tunec.executing import warm

STAND_IN = """\
import os, pathlib, signal, sys, time
from stages.ending import die_with_parents
state = []
def main():
    die_with_parents()
    state.append(1)
    torch = sys.modules.get("torch")
    print(sys.argv, os.environ.get("WHO"), os.environ.get("TUNEC_WARM"), len(state), sys.stdin.read())
    print("aside", torch and torch.threads, file=sys.stderr)
    pathlib.Path("pid").write_text(str(os.getpid()))
    try:
        time.sleep(float(os.environ.get("SLEEPS", 0)))
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(os.environ["SAYS"] if "SAYS" in os.environ else int(os.environ.get("ENDS", 0)))
"""
TORCH = """\
threads = 0
def set_num_threads(count):
    global threads
    threads = count
class cuda:
    @staticmethod
    def _is_in_bad_fork():
        return LOST
"""
ASK = "import sys; from tunec.executing import warm; sys.exit({None: 77}.get(code := warm.run(sys.argv[1]), code))"


@pytest.fixture
def libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the warm process finds for tunec, torch and transformers."""
    libraries = tmp_path / "libraries"
    for package, module, text in (
        ("tunec", "start", STAND_IN),
        ("transformers", "modeling_utils", "import torch"),
        ("torch", "__init__", f"LOST = False\n{TORCH}"),
    ):
        (libraries / package).mkdir(parents=True)
        (libraries / package / "__init__.py").write_text("")
        (libraries / package / f"{module}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(libraries))
    return libraries


@pytest.fixture
def place(tmp_path: Path, libraries: Path) -> Path:
    """A workspace with a stage that needs transformers, one that may do without, and one without."""
    place = tmp_path / "w"
    named = {
        "needs": "torch 2.0\ntransformers 5.0\n",
        "may": "transformers 5.0\nllama-cpp-python 0.3\n",
        "without": "jinja2 3.1\nstages/engines/transformers.py 12\n",
    }
    for stage, lines in named.items():
        file = place / fingerprint_path(stage)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(lines)
    stages = "".join(f"  {stage}:\n    deps: [{fingerprint_path(stage)}]\n" for stage in named)
    (place / "dvc.yaml").write_text(f"stages:\n{stages}")
    return place


@pytest.fixture
def address(place: Path) -> Iterator[str]:
    with warm.warm() as environ:
        until(lambda: Path(environ[warm.ADDRESS]).exists())
        yield environ[warm.ADDRESS]


def until(holds: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def ask(place: Path, address: str, stage: str = "may", **environ: str) -> subprocess.Popen[bytes]:
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
    assert ask(place, address, WHO="me", ENDS="3").wait(60) == 3
    assert (place / "out").read_text() == "['tunec', 'run', 'may'] me None 1 said\n"
    assert (place / "err").read_text() == "aside None\n", "what may do without torch does not load it"
    assert ask(place, address, WHO="you").wait(60) == 0
    assert "you None 1 said" in (place / "out").read_text(), "the next one knows nothing of the first"


def test_a_stage_that_needs_torch_finds_it_with_the_threads_that_it_was_given(place: Path, address: str) -> None:
    assert ask(place, address, "needs", OMP_NUM_THREADS="7").wait(60) == 0
    assert (place / "err").read_text() == "aside 7\n"
    assert ask(place, address, "may", OMP_NUM_THREADS="").wait(60) == 0
    assert (place / "err").read_text() == "aside 0\n", "it is there for the next one"


def test_where_an_import_touched_the_gpu_a_stage_imports_for_itself(place: Path, libraries: Path, address: str) -> None:
    (libraries / "torch" / "__init__.py").write_text(f"LOST = True\n{TORCH}")
    assert ask(place, address, "needs").wait(60) == 77


def test_a_fork_ends_with_the_command_that_asked_for_it(place: Path, address: str) -> None:
    asked = ask(place, address, SLEEPS="60")
    process = fork(place)
    asked.kill()
    asked.wait()
    until(lambda: not process.is_running())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_fork_that_a_signal_ends_is_told_as_a_shell_tells_it(place: Path, address: str, number: int) -> None:
    asked = ask(place, address, SLEEPS="60")
    fork(place).send_signal(number)
    assert asked.wait(60) == 128 + number


def test_what_a_fork_says_as_it_ends_is_said(place: Path, address: str) -> None:
    assert ask(place, address, SAYS="for this reason").wait(60) == 1
    assert "for this reason" in (place / "err").read_text()
    assert ask(place, address).wait(60) == 0, "the warm process is as it was"


def test_ctrl_c_is_the_forks_to_tell_of(place: Path, address: str) -> None:
    asked = ask(place, address, SLEEPS="60")
    process = fork(place)
    for pid in (asked.pid, process.pid):  # as a terminal sends it to all of them
        os.kill(pid, signal.SIGINT)
    assert asked.wait(60) == 130


def test_a_stage_without_transformers_is_none_of_its(place: Path, address: str) -> None:
    assert ask(place, address, "without").wait(60) == 77


def test_where_nobody_is_warm_a_stage_imports_for_itself(place: Path, tmp_path: Path) -> None:
    assert ask(place, str(tmp_path / "gone")).wait(60) == 77


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(warm.ADDRESS, "")
    with warm.warm() as environ:
        assert environ == {}


def test_no_room_for_it_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with warm.warm() as environ:
        assert environ == {}


def test_the_warm_process_ends_with_the_build_and_leaves_nothing(place: Path) -> None:
    with warm.warm() as environ:
        folder = Path(environ[warm.ADDRESS]).parent
        until(lambda: (folder / "socket").exists())
        assert oct(folder.stat().st_mode)[-3:] == "700", "nobody else may ask it"
    assert not folder.exists()


def test_with_a_build_that_was_killed_the_warm_process_ends_and_its_fork(place: Path, libraries: Path) -> None:
    hold = (
        "import os, sys; from tunec.executing.warm import warm\n"
        "os.environ['PYTHONPATH'] = sys.argv[1]\n"  # the stand-ins are for the warm process alone
        "with warm() as e: print(e['TUNEC_WARM'], flush=True); input()"
    )
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command, pipe = [sys.executable, "-P", "-c", hold, str(libraries)], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=env, text=True) as build:
        assert build.stdout
        address = Path(build.stdout.readline().strip())
        until(address.exists)
        [process] = psutil.Process(build.pid).children()
        asked = ask(place, str(address), SLEEPS="60")
        worker = fork(place)
        build.kill()
    until(lambda: not process.is_running() and not address.parent.exists())
    until(lambda: not worker.is_running())
    assert asked.wait(60) == warm.KILLED
