"""From Hydra's words to one override."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.diagnostics import UserError
from tests.compiling import MINIMAL, compiled
from tunec.sweeping.app import _check_conf
from tunec.sweeping.budget import seconds_of
from tunec.sweeping.jobs import as_overrides, expanded, rewritten, values


def test_short_names_are_written_out_and_keys_need_not_stand_in_the_task() -> None:
    given = ["base_model=a,b", "quantization=q8_0", "training.lora.r=8", "+sweep=rank", "hydra.sweep.dir=x", "-m"]
    assert rewritten(given, {"sweep"}) == [
        "++training.base_model=a,b",
        "++quantization.formats=q8_0",
        "++training.lora.r=8",
        "+sweep=rank",
        "hydra.sweep.dir=x",
        "-m",
    ]


@pytest.mark.parametrize(
    ("word", "code", "help"),
    [
        ("training.lora.rnk=8", "T510", "did you mean `training.lora.r`?"),
        ("quantisation=q8_0", "T510", "did you mean `quantization`?"),
        ("+model._target_=os.system", "T009", "remove the key"),
    ],
)
def test_a_key_that_nobody_knows_is_refused(word: str, code: str, help: str) -> None:
    with pytest.raises(UserError) as refused:
        rewritten([word], {"sweep"})
    assert [(found.code, found.help) for found in refused.value.diagnostics] == [(code, help)]


def test_a_job_is_what_it_says_otherwise_and_what_it_was_given() -> None:
    task = {"training": {"epochs": 1, "lora": {"r": 16}}, "goal": "x"}
    config = {"training": {"epochs": 1, "lora": {"r": 8}, "seed": 3}, "goal": "x"}
    assert values(config, task, ["++training.epochs=1"]) == {
        "training.epochs": 1,
        "training.lora.r": 8,
        "training.seed": 3,
    }


def test_what_all_jobs_share_is_no_part_of_the_sweep() -> None:
    jobs = [{"training.epochs": 2, "training.lora.r": r} for r in (8, 16)]
    assert as_overrides(jobs) == ["training.epochs=2", 'sweep=[{"training.lora.r": 8}, {"training.lora.r": 16}]']
    assert as_overrides(jobs[:1]) == ["training.epochs=2", "training.lora.r=8"]
    assert as_overrides([{}]) == []
    one_format = [{"training.lora.r": r, "quantization.formats": "q8_0"} for r in (8, 16)]
    assert as_overrides(one_format)[0] == 'quantization.formats=["q8_0"]'


def test_a_sweep_in_a_job_is_as_many_points() -> None:
    grid = {"base_model": ["a", "b"], "training.epochs": [1, 2]}
    assert len(list(expanded(grid))) == 4
    written = as_overrides([{"sweep": [{"training.lora.r": 8}, {"training.lora.r": 16}], "training.epochs": 2}])
    assert json.loads(written[1].removeprefix("sweep=")) == [{"training.lora.r": 8}, {"training.lora.r": 16}]
    with pytest.raises(UserError):
        list(expanded("rank"))


def test_the_override_compiles_to_the_variants_that_the_task_s_own_sweep_has() -> None:
    models = ["smollm2-135m", "smollm2-360m"]
    jobs = [
        {"training.base_model": model, "training.lora.r": r, "quantization.formats": q}
        for model in models
        for r in (8, 16)
        for q in ("q8_0", "q4_k_m")
    ]
    block = f"sweep: {{base_model: [{', '.join(models)}], training.lora.r: [8, 16], quantization: [q8_0, q4_k_m]}}\n"
    ours, theirs = compiled(overrides=as_overrides(jobs)), compiled(MINIMAL + block)
    assert [instance.name for instance in ours.plan.instances] == [instance.name for instance in theirs.plan.instances]
    assert ours.params_yaml == theirs.params_yaml


def test_names_stay_when_more_is_swept() -> None:
    one = compiled(MINIMAL + "sweep: {training.lora.r: [8, 16]}\n")
    two = compiled(MINIMAL + "sweep: {training.lora.r: [8, 16], training.epochs: [3, 5]}\n")
    assert {variant.slug for variant in one.variants} < {variant.slug for variant in two.variants}
    alone = compiled(MINIMAL)
    assert alone.variants[0].slug in {variant.slug for variant in one.variants}


def test_a_swept_prompt_is_the_chosen_variant_s_and_the_base_model_gets_each() -> None:
    found = compiled(MINIMAL + "sweep: {training.prompt: [none, contract]}\n")
    modes = {"smollm2-135m-r16": "contract", "smollm2-135m-r16-prompt-none": "none"}
    assert found.plan["test"].params["prompting"]["mode"] == modes
    assert found.plan["train-smollm2-135m-r16-prompt-none"].params["prompting"]["mode"] == "none"
    names = {instance.name for instance in found.plan.instances if instance.stage.name == "baseline"}
    assert {"baseline-base-smollm2-135m-none", "baseline-base-smollm2-135m-contract"} <= names
    assert "baseline-prompted-smollm2-135m" in names


@pytest.mark.parametrize(
    "text", ["a: {_target_: os.system}", "a: ${oc.env:HOME}", "a: &x 1\nb: *x", "a: !!python/name:os {}"]
)
def test_a_preset_of_the_workspace_is_read_as_strictly_as_a_task(tmp_path: Path, text: str) -> None:
    (tmp_path / "conf" / "recipe").mkdir(parents=True)
    (tmp_path / "conf" / "recipe" / "one.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError):
        _check_conf(tmp_path)


def test_a_budget_is_a_time() -> None:
    assert [seconds_of(text) for text in ("90s", "1.5m", "2h", "1h30m")] == [90, 90, 7200, 5400]
    for text in ("", "soon", "-1h", "0s", "2"):
        with pytest.raises(UserError):
            seconds_of(text)
