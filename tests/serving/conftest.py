"""A released tiny model and a server of it, each made once a session."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.compiling import ROOT
from tests.once import once
from tests.releasing.small import PERSON, Small, make
from tests.stages.tiny_gguf import tiny_gguf

KEY = "a key of a test"


@dataclass(frozen=True)
class Server:
    """A running `tunec serve`."""

    address: str
    process: subprocess.Popen[str]

    def ask(self, method: str, path: str, **given: Any) -> Any:
        import requests

        return requests.request(method, self.address + path, timeout=60, **given)

    def answer(self, text: str) -> Any:
        return self.ask("POST", "/v1/answer", json={"input": {"text": text}})

    def chat(self, text: str, **more: Any) -> Any:
        return self.ask("POST", "/v1/chat/completions", json={"messages": [{"role": "user", "content": text}], **more})


def make_released(root: Path) -> Small:
    small = make(root)
    small.edit("people: {type: string}", "people: {type: string, maxLength: 6}")
    small.build(model=tiny_gguf().read_bytes())
    small.release()
    return small


@pytest.fixture(scope="session")
def home(for_all_workers: Path) -> Small:
    """A workspace with one release, whose model is the tiny one; not to be changed."""
    return Small(once(for_all_workers, "served", make_released))


@contextmanager
def serving(small: Small, *arguments: str, **env: str) -> Iterator[Server]:
    pytest.importorskip("uvicorn")
    pytest.importorskip("llama_cpp.server.app")
    command = [sys.executable, "-m", "tunec", "serve", *arguments, "--port", "0"]
    about = {**os.environ, **PERSON, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **env}
    with subprocess.Popen(
        command, cwd=small.root, env=about, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            said = process.stdout.readline()
            found = re.search(r"at (http://\S+?)/v1/", said)
            assert found, said + process.stderr.read()
            yield Server(found[1], process)
        finally:
            process.terminate()
            process.communicate(timeout=20)


@pytest.fixture(scope="session")
def server(home: Small) -> Iterator[Server]:
    with serving(home) as found:
        yield found
