"""A training that was cut off goes on where it was, and its bytes are those of one that never was."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from stages import checkpoints, probing, progress, resuming
from stages.checkpoints import MANIFEST, REST, TENSORS, Checkpoint
from stages.diagnostics import Diagnostic, UserError
from stages.rows import read_json, sha256, write_json, write_rows
from stages.train import Outputs
from tests.stages.teaching import Learn, asked_of, taught
from tests.stages.test_matrix import content
from tests.stages.test_train import params

ROOT = Path(__file__).parents[2]
DROPOUT = {"r": 4, "alpha": 8, "dropout": 0.1, "target_modules": "all-linear"}
FEW = {"count": 12, "epochs": 3.0, "batch_size": 4}


class CutOff(BaseException):
    """What ends a run in these tests: no handler of errors takes it."""


@pytest.fixture(scope="module")
def whole(learn: Learn) -> Outputs:
    """A run that nothing cut off."""
    return learn("sft", "lora", **FEW)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Twelve GPUs' random numbers."""
    import torch

    states = [torch.full((4,), number, dtype=torch.uint8) for number in range(12)]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: list(states))
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", lambda given: states.__setitem__(slice(None), given))
    return states


def test_every_gpu_gets_its_own_random_numbers_back(gpus: list[Any]) -> None:
    before = list(gpus)
    tensors = {f"random/{name}": state for name, state in sorted(resuming.torch_random().items())}
    rest = {"python": random.getstate(), "numpy": resuming._numpy_random()}
    gpus[:] = gpus[:1] * 12
    resuming.restore_random(Checkpoint(1, tensors, rest))
    assert [int(state[0]) for state in gpus] == [int(state[0]) for state in before] == list(range(12))


def test_a_probe_leaves_the_random_numbers_of_the_gpus_as_they_were(gpus: list[Any]) -> None:
    import torch

    settings = SimpleNamespace(learning_rate=1e-3, max_steps=1, warmup_steps=0)
    lists = {"steps": [], "losses": [], "norms": [], "callback_handler": SimpleNamespace(callbacks=[])}
    trainer = SimpleNamespace(model=torch.nn.Linear(1, 1), args=settings, **lists)
    before = list(gpus)
    with probing._as_it_was(cast(Any, SimpleNamespace(trainer=trainer, series={}))):
        gpus[:] = gpus[:1] * 12
    assert all(map(torch.equal, gpus, before))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for checkpoints, written after every step."""
    monkeypatch.setattr(resuming, "EVERY", 0.0)
    monkeypatch.setattr(resuming, "SHARE", 1e9)
    place = tmp_path / "train" / "key"
    checkpoints.keep_at(lambda: place)
    yield place
    checkpoints.keep_at(None)
    progress.listen(progress._nobody)
    progress.heed(lambda found: None)


def cut_off(run: Callable[[], Outputs], after: int) -> None:
    """Run until that many steps are told."""

    def listener(done: int, total: int | None, note: str) -> None:
        if "tok/s" in note and done > after:
            raise CutOff

    progress.listen(listener)
    with pytest.raises(CutOff):
        run()
    progress.listen(progress._nobody)


def first_told(run: Callable[[], Outputs]) -> tuple[int, Outputs]:
    """The first step that a run tells of, and its outputs."""
    told: list[int] = []
    progress.listen(lambda done, total, note: told.append(done) if "tok/s" in note else None)
    out = run()
    progress.listen(progress._nobody)
    return told[0], out


@pytest.mark.parametrize(
    "method", ["sft", "dpo", *(pytest.param(name, marks=pytest.mark.thorough) for name in ("kto", "orpo", "grpo"))]
)
def test_a_run_that_was_cut_off_ends_with_the_bytes_of_one_that_was_not(method: str, home: Path, learn: Learn) -> None:
    given: dict[str, Any] = {"lora": DROPOUT} | (FEW if method != "grpo" else {"count": 8, "epochs": 4.0})
    checkpoints.keep_at(None)
    whole = learn(method, "lora", **given)
    checkpoints.keep_at(lambda: home)
    cut_off(lambda: learn(method, "lora", **given), after=2)
    assert len(list(home.glob("step-*"))) == 2
    first, again = first_told(lambda: learn(method, "lora", **given))
    assert first == 3
    assert content(again) == content(whole)


@pytest.mark.parametrize("adapter", ["full", "qlora"])
def test_every_adapter_goes_on(adapter: str, home: Path, learn: Learn) -> None:
    checkpoints.keep_at(None)
    whole = learn("sft", adapter, **FEW)
    checkpoints.keep_at(lambda: home)
    cut_off(lambda: learn("sft", adapter, **FEW), after=5)
    assert content(learn("sft", adapter, **FEW)) == content(whole)


def test_dev_checks_and_the_best_weights_go_on_too(home: Path, learn: Learn) -> None:
    given = {**FEW, "dev": {"checks": 4, "patience": 3}, "learning_rate": 0.1}
    checkpoints.keep_at(None)
    whole = learn("sft", "lora", **given)
    checkpoints.keep_at(lambda: home)
    cut_off(lambda: learn("sft", "lora", **given), after=6)
    assert content(learn("sft", "lora", **given)) == content(whole)


def damage(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("name", [TENSORS, REST, MANIFEST])
def test_a_damaged_checkpoint_is_told_of_and_the_one_before_is_taken(
    name: str, whole: Outputs, home: Path, learn: Learn
) -> None:
    cut_off(lambda: learn("sft", "lora", **FEW), after=4)
    warned: list[Diagnostic] = []
    progress.heed(warned.append)
    damage(max(home.glob("step-*")), name)
    first, again = first_told(lambda: learn("sft", "lora", **FEW))
    assert first == 4 and [found.code for found in warned] == ["T660"]
    assert warned[0].severity == "warning" and warned[0].help
    assert content(again) == content(whole)


def test_a_checkpoint_without_its_manifest_is_none(home: Path, learn: Learn) -> None:
    cut_off(lambda: learn("sft", "lora", **FEW), after=4)
    (max(home.glob("step-*")) / MANIFEST).unlink()
    assert first_told(lambda: learn("sft", "lora", **FEW))[0] == 4


@pytest.mark.parametrize("lost", ["optimizer/", "random/", "weight/"])
def test_training_never_goes_on_without_a_part_of_its_state(
    lost: str, whole: Outputs, home: Path, learn: Learn
) -> None:
    """transformers would go on without optimizer or random numbers, and give other weights without a word."""
    from safetensors.torch import load_file, save_file

    cut_off(lambda: learn("sft", "lora", **FEW), after=4)
    for folder in home.glob("step-*"):
        left = {name: t for name, t in load_file(folder / TENSORS).items() if not name.startswith(lost)}
        save_file(left, folder / TENSORS)
        write_json(folder / MANIFEST, {name: sha256(folder / name) for name in (TENSORS, REST)})
    first, again = first_told(lambda: learn("sft", "lora", **FEW))
    assert first == 1 and content(again) == content(whole)


def test_a_full_disk_is_told_and_what_was_kept_is_whole(
    home: Path, learn: Learn, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, written = checkpoints._seal, []

    def full(folder: Path) -> None:
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(folder)
        real(folder)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "_seal", full)
        with pytest.raises(UserError) as refused:
            learn("sft", "lora", **FEW)
    (found,) = refused.value.diagnostics
    assert found.code == "T380" and "step-000002" in found.notes[0] and found.help
    assert sorted(folder.name for folder in home.iterdir()) == ["step-000001", "step-000002"]
    assert first_told(lambda: learn("sft", "lora", **FEW))[0] == 3


def test_checkpoints_of_another_key_go_when_there_is_a_new_one(home: Path) -> None:
    import torch

    old = home.parent / "other" / "step-000001"
    old.mkdir(parents=True)
    checkpoints.save(home, Checkpoint(1, {"a": torch.ones(2)}, {"lists": {}}))
    assert not old.exists()
    for step in (2, 3):
        checkpoints.save(home, Checkpoint(step, {"a": torch.ones(2)}, {"lists": {}}))
    assert [one.step for one in checkpoints.newest(home)] == [3, 2]
    assert read_json(home / "step-000003" / MANIFEST).keys() == {TENSORS, REST}


# ---------------------------------------------------------------- killed


def killed(tiny: Path, folder: Path, method: str, kills: int) -> dict[str, Any]:
    """What tests/stages/killed.py saw."""
    write_rows(folder / "train.jsonl", [taught(method, n) for n in range(24)])
    write_rows(folder / "dev.jsonl", [asked_of(method, n) for n in range(100, 103)])
    how = params(method=method, lora=DROPOUT, epochs=6.0, **({} if method == "sft" else {"beta": 0.1}))
    (folder / "params.json").write_text(how.model_dump_json(), encoding="utf-8")
    command = [sys.executable, str(Path(__file__).with_name("killed.py")), str(tiny), str(folder)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(folder / "params.json"), str(kills), "7"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("method", "kills"),
    [("sft", 2), *(pytest.param(name, 20, marks=pytest.mark.thorough) for name in ("sft", "dpo"))],
)
def test_killed_at_random_moments_the_adapter_is_the_same(method: str, kills: int, tiny: Path, tmp_path: Path) -> None:
    found = killed(tiny, tmp_path, method, kills)
    assert found["kills"] == kills and found["ends"] and all(found["equal"])
