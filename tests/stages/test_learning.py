"""What steers a training on its way: dev checks, early stopping, budgets, the rate probe, and a loss that explodes."""

from __future__ import annotations

import csv
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from stages import learning, parallel, progress, stopping, tracking, watching
from stages.diagnostics import UserError
from stages.lessons import Budget, DevChecks
from stages.rows import read_json
from stages.train import Outputs
from stages.watching import check, span
from tests.stages.teaching import Learn, mean, series, taught, trained
from tests.stages.test_matrix import content
from tests.stages.test_train import params

FEW = {"count": 12, "epochs": 2.0, "batch_size": 4}


def codes(error: pytest.ExceptionInfo[UserError]) -> list[str]:
    assert all(diagnostic.help for diagnostic in error.value.diagnostics)
    return [diagnostic.code for diagnostic in error.value.diagnostics]


def lines(out: Outputs) -> list[dict[str, str]]:
    with out.curve.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_curve_keeps_norm_and_rate_of_every_step(learn: Learn) -> None:
    out = learn("sft", "lora", **FEW, warmup_ratio=0.5)
    assert list(lines(out)[0]) == ["step", "loss", "grad_norm", "learning_rate"]
    rates = series(out, "learning_rate")
    assert rates[0] < rates[2] and rates[-1] < rates[3] <= 1e-2
    assert all(norm > 0 for norm in series(out, "grad_norm"))


def test_dev_is_measured_as_often_as_is_asked_and_the_last_time_at_the_end(learn: Learn) -> None:
    out = learn("sft", "lora", **FEW, dev={"checks": 3, "keep": "last"})
    plain = learn("sft", "lora", **FEW)
    checked = {int(line["step"]): float(line["dev_loss"]) for line in lines(out) if line["dev_loss"]}
    assert list(checked) == [2, 4, 6]
    assert checked[6] == pytest.approx(read_json(out.report)["dev_loss"], abs=1e-6)
    assert read_json(out.report)["kept_step"] == 6
    assert (out.adapter / "adapter_model.safetensors").read_bytes() == (
        plain.adapter / "adapter_model.safetensors"
    ).read_bytes(), "looking changes nothing"


@pytest.fixture
def spoilt(learn: Learn) -> Learn:
    """A rate that spoils what was learned before."""
    how = {"count": 12, "epochs": 6.0, "batch_size": 4, "learning_rate": 2.0, "scheduler": "constant"}
    return lambda **given: learn("sft", "lora", **how, **given)


def test_the_weights_of_the_best_check_are_kept(spoilt: Learn) -> None:
    best, last = spoilt(dev={"checks": 9, "keep": "best"}), spoilt(dev={"checks": 9, "keep": "last"})
    dev = {int(line["step"]): float(line["dev_loss"]) for line in lines(best) if line["dev_loss"]}
    report = read_json(best.report)
    assert report["kept_step"] == min(dev, key=lambda step: dev[step]) < 18
    assert report["dev_loss"] == pytest.approx(min(dev.values()), abs=1e-6)
    assert report["dev_loss"] < read_json(last.report)["dev_loss"]


def test_patience_ends_a_training_that_gets_no_better(spoilt: Learn) -> None:
    report = read_json(spoilt(dev={"checks": 9, "patience": 1}).report)
    assert report["steps"] == report["kept_step"] + 2 < 18
    assert "no better than at step" in report["stopped"]


def test_a_budget_of_steps_runs_the_whole_course_of_the_rate(learn: Learn) -> None:
    out = learn("sft", "lora", **FEW, budget={"steps": 4}, warmup_ratio=0.25)
    rates = series(out, "learning_rate")
    assert len(rates) == 4 and rates[1] == pytest.approx(1e-2) and rates[-1] < 0.5 * rates[1]
    assert read_json(out.report)["steps"] == 4


def test_a_budget_of_minutes_ends_at_the_clock(learn: Learn) -> None:
    report = read_json(learn("sft", "lora", **FEW, budget={"minutes": 1e-9}).report)
    assert report["steps"] == 1 and "training.budget.minutes" in report["stopped"]


def test_a_clock_that_ends_a_run_between_two_checks_leaves_the_best_weights() -> None:
    best = torch.nn.Linear(1, 1, bias=False)
    ready = SimpleNamespace(
        trainer=SimpleNamespace(model=best), dev=lambda: {"dev_loss": 10.0 * float(best.weight.detach())}
    )
    run = stopping.Stopping(ready, DevChecks(checks=4, keep="best"), Budget(minutes=1e9))  # type: ignore[arg-type]
    state, control = SimpleNamespace(max_steps=100), SimpleNamespace(should_training_stop=False)
    for step in range(1, 61):
        with torch.no_grad():
            best.weight.fill_(1.0 if step == 50 else 2.0)
        state.global_step = step
        run.callback().on_step_end(None, state, control)
    assert run.best_step == 50 and run.end()["dev_loss"] == pytest.approx(10.0) and float(best.weight.detach()) == 1.0


def test_the_dev_loss_and_the_time_left_are_told(learn: Learn) -> None:
    heard: list[str] = []
    progress.listen(lambda done, total, note: heard.append(note))
    try:
        learn("sft", "lora", **FEW, dev={"checks": 3})
    finally:
        progress.listen(progress._nobody)
    told = [note for note in heard if "tok/s" in note]
    assert "dev loss" not in told[0] and "dev loss" in told[-1]
    assert all(note.endswith("left") for note in told)


@pytest.mark.parametrize(("seconds", "said"), [(4, "4 s"), (89, "89 s"), (600, "10 min"), (7800, "2 h 10 min")])
def test_a_time_is_said_as_people_do(seconds: float, said: str) -> None:
    assert span(seconds) == said


# ---------------------------------------------------------------- losses that go wrong


def test_a_loss_that_explodes_is_stopped() -> None:
    calm = [1.0] * 10
    check([*calm, *[2.9] * 10], 20, 1e-3)
    check([0.01] * 10 + [0.5] * 10, 20, 1e-3)  # tiny losses may treble
    with pytest.raises(UserError) as error:
        check([*calm, *[3.2] * 10], 20, 3e-3)
    assert codes(error) == ["T662"]
    assert "0.001" in str(error.value.diagnostics[0].help)


def test_a_rate_that_is_far_too_high_ends_the_run(learn: Learn) -> None:
    with pytest.raises(UserError) as error:
        learn("sft", "full", count=12, epochs=10.0, batch_size=4, learning_rate=5.0, warmup_ratio=0.0)
    assert codes(error) == ["T662"]


# ---------------------------------------------------------------- the probe


def test_the_probe_takes_the_best_of_three_rates_and_leaves_no_trace(learn: Learn) -> None:
    given = {**FEW, "lora": {"r": 4, "alpha": 8, "dropout": 0.1, "target_modules": "all-linear"}}
    probed = learn("sft", "lora", **given, learning_rate=1e-3, rate_probe=6)
    found = read_json(probed.report)["rate_probe"]
    assert found["steps"] == 6 and list(found["dev_loss"]) == ["0.000333", "0.001", "0.003"]
    assert found["rate"] == pytest.approx(3e-3), "a tiny model learns most at the highest"
    direct = learn("sft", "lora", **given, learning_rate=1e-3 * 3.0)
    assert (probed.adapter / "adapter_model.safetensors").read_bytes() == (
        direct.adapter / "adapter_model.safetensors"
    ).read_bytes()


def test_a_rate_that_diverges_in_the_probe_is_out(learn: Learn) -> None:
    how = {"count": 12, "epochs": 10.0, "batch_size": 4, "warmup_ratio": 0.0}
    found = read_json(learn("sft", "full", **how, learning_rate=0.5, rate_probe=30).report)["rate_probe"]
    assert found["dev_loss"]["1.5"] is None and found["rate"] != 1.5
    assert found["rate"] == min((0.5 / 3, 0.5), key=lambda rate: found["dev_loss"][f"{rate:.3g}"])


# ---------------------------------------------------------------- who else is told


def test_tensorboard_gets_every_step(learn: Learn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(tracking.REPORT_TO, "tensorboard")
    monkeypatch.setenv(tracking.RUN, "train-tiny")
    out = learn("sft", "lora", **FEW)
    monkeypatch.delenv(tracking.REPORT_TO)
    assert content(out) == content(learn("sft", "lora", **FEW)), "who is told is no part of what is built"
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(tmp_path / "build" / "logs" / "tensorboard" / "train-tiny"))
    read.Reload()
    assert [scalar.step for scalar in read.Scalars("loss")] == [1, 2, 3, 4, 5, 6]
    assert {"loss", "grad_norm", "learning_rate"} == set(read.Tags()["scalars"])


def test_mlflow_gets_every_step(learn: Learn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build" / "logs").mkdir(parents=True)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv(tracking.REPORT_TO, "mlflow")
    monkeypatch.setenv(tracking.RUN, "train-tiny")
    learn("sft", "lora", **FEW)
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'build' / 'logs' / 'mlflow.db'}")
    (run,) = client.search_runs(["0"])
    assert run.info.run_name == "train-tiny"
    assert [one.step for one in client.get_metric_history(run.info.run_id, "loss")] == [1, 2, 3, 4, 5, 6]


def test_weights_and_biases_get_a_run_that_can_be_sent_later(
    learn: Learn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build" / "logs").mkdir(parents=True)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv(tracking.REPORT_TO, "wandb")
    learn("sft", "lora", **FEW)
    (kept,) = (tmp_path / "build" / "logs" / "wandb").glob("offline-run-*/run-*.wandb")
    assert b"grad_norm" in kept.read_bytes()


def test_of_several_processes_the_first_one_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(
        tracking, "_tracker", lambda name: opened.append(name) or nullcontext(lambda step, figures: None)
    )
    monkeypatch.setenv(tracking.REPORT_TO, "mlflow")
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv(parallel.RANK, "ddp")
        with tracking.told():
            pass
    assert opened == ["mlflow"]


@pytest.mark.parametrize("name", ["mlflow", "wandb", "tensorboard"])
def test_a_tracker_that_is_not_installed_is_refused_before_the_first_step(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv(tracking.REPORT_TO, name)
    with pytest.raises(UserError) as error, tracking.told():
        pass
    assert codes(error) == ["T663"]


def test_places_are_evenly_spread_and_end_at_the_end() -> None:
    ready: Any = None
    assert stopping.Stopping(ready, DevChecks(checks=4)).places(10) == {2, 5, 8, 10}
    assert stopping.Stopping(ready, DevChecks(checks=9)).places(3) == {1, 2, 3}
    assert stopping.Stopping(ready, DevChecks(), Budget()).places(3) == set()
    assert learning.NO_CHECKS.checks == 0 and watching.EXPLODED > 1 and mean([1, 3]) == 2


# ---------------------------------------------------------------- a training that goes on from another


@pytest.fixture
def in_steps(tiny: Path, tmp_path: Path) -> Any:
    """sft on the chosen answers, then dpo from what it wrote, or from the base model."""

    def in_steps(adapter: str, start: Path | None = None, **changed: Any) -> Outputs:
        method = str(changed.setdefault("method", "dpo"))
        folder = tmp_path / f"{method}-{adapter}-{bool(start)}"
        folder.mkdir()
        rows, dev = [taught("dpo", n) for n in range(12)], [taught("dpo", n) for n in range(100, 103)]
        own = {"beta": 0.1} if method == "dpo" else {}
        return trained(folder, tiny, rows, dev, params(adapter=adapter, **own, **changed), start)

    return in_steps


@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_dpo_goes_on_from_what_sft_learned_and_holds_it_against_that(adapter: str, in_steps: Any) -> None:
    rate = 3e-3 if adapter == "full" else 1e-2
    first = in_steps(adapter, method="sft", epochs=4.0, learning_rate=rate)
    gentle = {"learning_rate": 1e-7, "epochs": 1.0}
    second, alone = in_steps(adapter, first.adapter, **gentle), in_steps(adapter, **gentle)
    assert series(second, "loss")[0] == pytest.approx(0.6931, abs=1e-3), "the reference is the model that sft left"
    assert read_json(second.report)["dev_loss"] == pytest.approx(0.6931, abs=1e-3), "of the dev rows, too"
    name = "model.safetensors" if adapter == "full" else "adapter_model.safetensors"
    tensors = [load_file(out.adapter / name) for out in (first, second, alone)]
    apart = [max(float((tensors[0][key] - other[key]).abs().max()) for key in tensors[0]) for other in tensors[1:]]
    assert apart[0] < 1e-4 < 1e-3 < apart[1]


def test_an_adapter_of_another_shape_is_none_to_go_on_from(in_steps: Any) -> None:
    first = in_steps("lora", method="sft")
    other = {"r": 2, "alpha": 4, "dropout": 0.0, "target_modules": "all-linear"}
    with pytest.raises(UserError) as error:
        in_steps("lora", first.adapter, lora=other)
    assert codes(error) == ["T387"]
