"""`tunec build -j N` with stages on another machine: side by side, and what fails there stops no other."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.builds.conftest import Workspace
from tests.executing.places import Place, Server, make, until

pytestmark = pytest.mark.slow
BUILD = ("build", "data", "splits", "model-tiny", "-j", "2")


def test_stages_run_there_side_by_side_and_one_that_is_killed_is_made_later(
    place: Place, host: Server, tmp_path: Path
) -> None:
    Workspace(place.root).dvc("init", "--quiet", "--no-scm")
    host.hold.touch()
    with place.start(*BUILD) as build:
        until(lambda: len(host.ran()) == 2, 60)  # data and model-tiny, before either has ended
        os.kill(host.ran()[0], signal.SIGKILL)
        host.hold.unlink()
        out, said = build.communicate(timeout=120)
    assert build.returncode == 1 and "error[T503]" in said and "1 stage failed" in said, out + said
    assert sum(bool(place.written(stage)) for stage in ("data", "model-tiny")) == 1
    place.tunec(*BUILD)
    assert len(host.ran()) == 4  # what had ended well did not run again
    here = make(tmp_path / "here")
    for stage in ("data", "splits"):
        here.run_here(stage)
        found = {name: text for name, text in place.written(stage).items() if name != ".gitignore"}
        assert found == here.written(stage)
    assert place.written("model-tiny")
