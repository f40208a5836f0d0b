"""The tiny model, pinned and taught: what the tests of training have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stages import export, threads, weights
from stages.base_model import trainable
from stages.train import Outputs
from tests.stages.teaching import LABELS, OWN, Learn, Start, asked_of, pinned, taught, trained
from tests.stages.test_train import params, row
from tests.tiny import tiny_model


@pytest.fixture(scope="package", autouse=True)
def float32() -> Iterator[None]:
    """These tests hold numbers to 1e-5 on any machine; a processor with AMX would round products to bfloat16."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "rounds", lambda device: False)
        yield


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Another number of threads rounds otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "idle_cores", lambda: 1)
        yield


@pytest.fixture(scope="module")
def tiny(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("tiny")
    return pinned(tiny_model(home / "model"), home / "pinned")


@pytest.fixture(scope="module")
def speaking(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that says yes or no, as it comes: who never says what fits can never be rewarded."""
    home = tmp_path_factory.mktemp("speaking")
    rows = [replace(row(n), output="yes" if n * 7919 % 11 < 5 else "no") for n in range(80)]
    out = trained(home, tiny, rows, rows[:4], params(adapter="full", epochs=6.0, learning_rate=3e-3, contract=LABELS))
    located = trainable(tiny)
    export.merge(located, out.adapter, home / "merged", export.own_dtype(located))
    return pinned(home / "merged", home / "pinned")


@pytest.fixture(scope="module")
def start(tiny: Path, request: pytest.FixtureRequest) -> Start:
    """The base model that a method begins with."""
    return lambda method: request.getfixturevalue("speaking") if method == "grpo" else tiny


@pytest.fixture(scope="module")
def learn(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Learn:
    """Train on a few rows by a method through an adapter."""

    def learn(method: str, adapter: str, count: int = 32, **changed: Any) -> Outputs:
        rows = [taught(method, n) for n in range(count)]
        dev = [asked_of(method, n) for n in range(100, 105)]
        own = {"epochs": 2.0, "learning_rate": 3e-3 if adapter == "full" else 1e-2, **OWN.get(method, {})}
        if method == "grpo" and adapter != "full":
            own["learning_rate"] = 5e-3
        folder = tmp_path_factory.mktemp(f"{method}-{adapter}")
        return trained(folder, start(method), rows, dev, params(method=method, adapter=adapter, **{**own, **changed}))

    return learn


@pytest.fixture(scope="module")
def learned(learn: Learn) -> Learn:
    """The same, once for every method and adapter."""
    return cache(learn)
