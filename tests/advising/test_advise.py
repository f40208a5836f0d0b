"""`tunec advise`: the verdict, what would turn it, ways to train, what is written, what is measured."""

from __future__ import annotations

import hashlib
import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler import compile_task
from stages.history import FOLDER
from stages.worth import worth
from tests.face.test_cost import tunec
from tunec.advising import hardware, models
from tunec.advising.lengths import Lengths
from tunec.advising.verdict import judge, rules, table
from tunec.workspace import Disk

TASK = """\
# a task of mine
task_name: letters
task_type: classification
language: en
input_template: "{text}"
output_format: {type: label, schema: {enum: [a, b]}}
data: {sources: [{path: rows.jsonl}]}
training:
  base_model: smollm2-135m # the one that is here
  lora: {r: 4, alpha: 8} # tried long ago
success_criteria: {threshold: 0.7}
"""
KNOWN: dict[str, Any] = {
    "rows": 2_000,
    "strict_form": True,
    "stable": 1.0,
    "volume": 500_000,
    "changes": "never",
    "pain": ["cost"],
    "knowledge": False,
    "teacher": False,
    "pairs": False,
    "data_may_leave": True,
    "linear_reaches": None,
    "prompt_reaches": None,
    "tuned_reaches": None,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """300 rows of two labels that a word tells apart most of the time."""
    monkeypatch.chdir(tmp_path)
    draw = random.Random(0)
    said = {"a": ["card", "lost", "street", "bus"], "b": ["rate", "money", "yen", "change"]}
    rows = []
    for n in range(300):
        label = "ab"[n % 2]
        words = draw.choices(said[label], k=2) + draw.choices([*said["a"], *said["b"], "the", "my"], k=3)
        rows.append(json.dumps({"text": f"{' '.join(words)} {n}", "label": label}))
    (tmp_path / "rows.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "task.yaml").write_text(TASK, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("otherwise", "approach"),
    [
        ({}, "fine_tuning"),
        ({"rows": 30, "volume": 100}, "prompting"),
        ({"rows": 80, "pain": ["none"], "volume": None}, "few_shot"),
        ({"changes": "weekly"}, "prompting"),
        ({"knowledge": True}, "rag"),
        ({"pairs": True}, "preference"),
        ({"rows": 120, "teacher": True, "volume": None, "pain": None}, "distillation"),
        ({"linear_reaches": True, "volume": None, "pain": None}, "linear"),
        ({"tuned_reaches": False, "volume": None, "teacher": True}, "distillation"),
        ({"prompt_reaches": True, "tuned_reaches": False}, "prompting"),
        ({"as_good": "linear"}, "linear"),
        ({"as_good": "prompting"}, "prompting"),
        ({"as_good": "none", "tuned_reaches": True}, "fine_tuning"),
    ],
)
def test_the_tables_lead_to_each_approach(otherwise: dict[str, Any], approach: str) -> None:
    assert judge({**KNOWN, **otherwise}).approach == approach


@given(
    st.fixed_dictionaries(
        {
            "rows": st.integers(0, 10**6),
            "strict_form": st.booleans(),
            "stable": st.none() | st.floats(0, 1),
            "volume": st.none() | st.floats(0, 10**9),
            "changes": st.sampled_from([None, "never", "yearly", "monthly", "weekly"]),
            "pain": st.none() | st.lists(st.sampled_from(["format", "style", "knowledge", "cost", "latency", "none"])),
            "knowledge": st.sampled_from([None, True, False]),
            "teacher": st.booleans(),
            "pairs": st.booleans(),
            "data_may_leave": st.sampled_from([None, True, False]),
            "linear_reaches": st.sampled_from([None, True, False]),
            "prompt_reaches": st.sampled_from([None, True, False]),
            "tuned_reaches": st.sampled_from([None, True, False]),
            "as_good": st.sampled_from([None, "none", "linear", "prompting"]),
        }
    )
)
def test_a_verdict_holds_what_it_says(values: dict[str, Any]) -> None:
    """What is stopped is never advised, few rows are never fine-tuned on, and every turn that is named is one."""
    found = judge(values)
    assert not any(rule.stops and rule.approach == found.approach for rule in found.reasons)
    assert values["rows"] >= 50 or found.approach != "fine_tuning"
    assert found.points[found.approach] == max(found.points.values())
    for name, value, approach in found.turns:
        assert approach != found.approach and judge({**values, name: value}).approach == approach


def test_a_rule_says_nothing_that_is_not_read() -> None:
    keys = {"id", "for", "when", "points", "stops", "from", "says"}
    assert all(set(rule) <= keys for rule in table()["rules"])


def test_every_rule_names_a_source_an_approach_and_a_signal_that_there_is(folder: Path) -> None:
    signals = json.loads(tunec(folder, "advise", "--json")[0])["signals"]
    for rule in rules():
        assert rule.source in table()["sources"] and rule.approach in table()["approaches"]
        assert set(rule.when) <= set(signals), rule.id


def test_advice_names_its_reasons_and_what_nobody_said(folder: Path) -> None:
    out, _ = tunec(folder, "advise")
    assert "fine-tune a small model" in out and "[nlp-skills]" in out
    assert "nobody said how often it comes up: cost.requests_per_month (assumed)" in out
    assert (
        "about 210 of 300 rows to train on; other splits take the rest (data)" in out
        and "knowledge true -> retrieve, then prompt" in out
    )
    assert not (folder / "build").exists()


def test_answers_of_the_coach_count(folder: Path) -> None:
    (folder / "answers.yaml").write_text("changes: weekly\nvolume: 12\n", encoding="utf-8")
    told = json.loads(tunec(folder, "advise", "--answers", "answers.yaml", "--json")[0])
    assert told["verdict"] == "prompting" and told["signals"]["changes"]["source"] == "answers"
    (folder / "answers.yaml").write_text("chnges: weekly\n", encoding="utf-8")
    assert "T841" in tunec(folder, "advise", "--answers", "answers.yaml", code=1)[1]


def test_few_rows_are_not_fine_tuned_on(folder: Path) -> None:
    lines = (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()[:30]
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert json.loads(tunec(folder, "advise", "--json")[0])["verdict"] in ("prompting", "few_shot")


def test_a_way_is_written_into_the_task_and_comments_stay(folder: Path) -> None:
    told = json.loads(tunec(folder, "advise", "--apply", "1", "--json")[0])
    text = (folder / "task.yaml").read_text(encoding="utf-8")
    task = compile_task(text, Disk(folder)).task
    patch = told["candidates"][0]["patch"]
    assert task.training.base_model == patch["training.base_model"] and task.training.lora.r == patch["training.lora.r"]
    assert "# a task of mine" in text and "# tried long ago" in text and "# the one that is here" in text
    before = text
    tunec(folder, "advise", "--apply", "1")
    assert (folder / "task.yaml").read_text(encoding="utf-8") == before


def test_a_way_that_is_none_is_refused(folder: Path) -> None:
    assert "T857" in tunec(folder, "advise", "--apply", "9", code=1)[1]
    assert (folder / "task.yaml").read_text(encoding="utf-8") == TASK


def test_the_ways_are_a_sweep_that_compiles(folder: Path) -> None:
    told = json.loads(tunec(folder, "advise", "--sweep", "--json")[0])
    found = compile_task(TASK, Disk(folder), overrides=["sweep=advised"])
    swept = {variant.values["training"]["base_model"] for variant in found.variants}
    assert swept == {one["base_model"] for one in told["candidates"]} and len(found.variants) > len(swept)


def test_a_measured_curve_grows_and_states_what_it_is_sure_of(folder: Path) -> None:
    curve = json.loads(tunec(folder, "advise", "--measure", "--json")[0])["curve"]
    values = [point["value"] for point in curve["points"]]
    assert values[-1] > values[0] and curve["majority"] < values[-1]
    assert curve["all"]["rows"] == 210 and curve["twice"]["rows"] == 420  # 30% are kept apart
    for part in ("all", "twice"):
        assert curve[part]["low"] < curve[part]["value"] < curve[part]["high"]
    assert curve["twice"]["high"] - curve["twice"]["low"] >= curve["all"]["high"] - curve["all"]["low"]


def test_a_linear_model_that_is_good_enough_is_the_advice(folder: Path) -> None:
    told = json.loads(tunec(folder, "advise", "--measure", "success_criteria.threshold=0.3", "--json")[0])
    assert told["verdict"] == "linear" and told["signals"]["linear_reaches"]["value"] is True


def test_what_cannot_be_measured_is_said_and_no_number_is_made_up(folder: Path) -> None:
    rows = "".join(json.dumps({"text": f"ask {n}", "output": f"say {n * 7}"}) + "\n" for n in range(60))
    (folder / "rows.jsonl").write_text(rows, encoding="utf-8")
    task = TASK.replace("classification", "generation").replace("{type: label, schema: {enum: [a, b]}}", "{type: text}")
    (folder / "task.yaml").write_text(task, encoding="utf-8")
    told = json.loads(tunec(folder, "advise", "--measure", "--json")[0])
    assert isinstance(told["curve"], str) and "no linear model" in told["curve"]
    assert told["resources"]["trainings"][0]["seconds"] is None


def test_no_rows_are_no_curve(folder: Path) -> None:
    (folder / "rows.jsonl").write_text("", encoding="utf-8")
    assert "T851" in tunec(folder, "advise", "--measure", code=1)[1]
    assert json.loads(tunec(folder, "advise", "--json")[0])["signals"]["rows"]["value"] == 0


def test_rows_of_the_test_split_are_never_measured_by(folder: Path) -> None:
    """With labels turned round in the test rows, the curve is the same."""
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    curves = []
    for turned in (False, True):
        marked = []
        for n, row in enumerate(rows):
            test = n % 3 == 0
            label = {"a": "b", "b": "a"}[row["label"]] if test and turned else row["label"]
            marked.append(json.dumps({**row, "label": label, "split": "test" if test else "train"}))
        (folder / "rows.jsonl").write_text("\n".join(marked) + "\n", encoding="utf-8")
        curves.append(json.loads(tunec(folder, "advise", "--measure", "--json")[0])["curve"])
    assert curves[0] == curves[1] and curves[0]["all"]["rows"] == 170  # dev is drawn of 200


def test_time_and_memory_are_those_of_past_runs(folder: Path) -> None:
    past = folder / FOLDER / "train-smollm2-135m-r4.json"
    past.parent.mkdir(parents=True)
    runs = [{"ended": "2026-01-01T00:00:00Z", "seconds": s, "memory": 2_000_000_000} for s in (90, 100, 120)]
    past.write_text(json.dumps({"runs": runs, "rows": {}, "code": {}}), encoding="utf-8")
    taken = json.loads(tunec(folder, "advise", "--json")[0])["resources"]["trainings"][0]
    assert (taken["seconds"], taken["memory"]) == (100, 2_000_000_000) and "3 past runs" in taken["how"]


def test_of_the_base_model_that_ran_here_both_places_say_what_it_held(folder: Path) -> None:
    past = folder / FOLDER / "train-smollm2-135m-r4.json"
    past.parent.mkdir(parents=True)
    run = {"ended": "2026-01-01T00:00:00Z", "seconds": 90, "memory": 1_234_000_000}
    past.write_text(json.dumps({"runs": [run], "rows": {}, "code": {}}), encoding="utf-8")
    told = json.loads(tunec(folder, "advise", "--json")[0])
    held = {one["base_model"]: one["memory"] for one in told["candidates"]}
    assert held["smollm2-135m"] == 1_234_000_000 == told["resources"]["trainings"][0]["memory"]
    text = tunec(folder, "advise")[0]
    assert "training held 1.2 GB" in text and "training holds at most about" in text  # of those that never ran
    task = TASK.replace("lora: {r: 4, alpha: 8}", "adapter: full")
    (folder / "task.yaml").write_text(task, encoding="utf-8")
    past.rename(past.with_name("train-smollm2-135m-r16.json"))
    elsewhere = json.loads(tunec(folder, "advise", "--json")[0])
    assert elsewhere["resources"]["trainings"][0]["memory"] == 1_234_000_000
    assert all(
        one["memory"] != 1_234_000_000 for one in elsewhere["candidates"]
    )  # what is advised is LoRA, which never ran


# ---------------------------------------------------------------- rows to train on


def rows_signal(folder: Path, *overrides: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tunec(folder, "advise", "--json", *overrides)[0])["signals"]["rows"]
    return found


def named(row: int, of: list[str]) -> dict[str, str]:
    return {"split": of[row % len(of)]} if of[row % len(of)] else {}


@pytest.mark.parametrize(
    ("splits", "overrides"),
    [
        ([""], []),
        ([""], ["splits.ratios.dev=0.3"]),
        (["train", "train", "test"], []),
        (["train", "dev", "test"], []),
        (["", "", "train"], []),
        (["", "dev", "golden"], []),
    ],
)
def test_the_rows_to_train_on_are_those_that_the_split_gives(
    splits: list[str], overrides: list[str], folder: Path
) -> None:
    """Reckoned before the build, and then parted by the stages themselves."""
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [{**row, **named(n, splits)} for n, row in enumerate(rows)]
    rows += rows[:12]  # doubled
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    told = rows_signal(folder, *overrides)
    off = [f"data.gates.{gate}=off" for gate in ("near", "contrasts", "consistency")]
    tunec(folder, "compile", *overrides, *off)
    for stage in ("data", "splits"):
        tunec(folder, "run", stage)
    parted = json.loads((folder / "build/splits/report.json").read_text(encoding="utf-8"))
    assert told["source"] == "data" and told["value"] == pytest.approx(parted["train"], abs=3)
    assert f"about {told['value']} of 312 rows to train on" in told["told"] and "12 rows are doubled" in told["told"]


def test_rows_of_a_source_that_is_put_into_train_whole_lose_none_to_other_splits(folder: Path) -> None:
    lines = (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    (folder / "rows.jsonl").write_text("\n".join(lines[:100]) + "\n", encoding="utf-8")
    (folder / "more.jsonl").write_text("\n".join(lines[100:]) + "\n", encoding="utf-8")
    more = "data.sources=[{path: rows.jsonl}, {path: more.jsonl, role: train}]"
    assert rows_signal(folder, more)["value"] == 270
    assert rows_signal(folder, "data.sources=[{path: rows.jsonl, role: train}]")["value"] == 70


def test_after_a_build_they_are_those_of_its_split_until_rows_or_keys_change(folder: Path) -> None:
    """dvc.lock as DVC writes it: what the stages last read."""
    tunec(folder, "compile")
    plan = compile_task(TASK, Disk(folder)).plan
    rows = folder / "rows.jsonl"
    lock = {
        name: {
            "deps": [{"path": "rows.jsonl", "md5": hashlib.md5(rows.read_bytes(), usedforsecurity=False).hexdigest()}],
            "params": {"params.yaml": {name: dict(plan[name].params)}},
        }
        for name in ("data", "splits")
    }
    (folder / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": lock}), encoding="utf-8")
    (folder / "build/splits").mkdir(parents=True)
    (folder / "build/splits/report.json").write_text('{"train": 207}', encoding="utf-8")
    assert rows_signal(folder) == {
        "value": 207,
        "source": "build",
        "told": "207 of 300 rows to train on, as the last build parted them",
    }
    assert rows_signal(folder, "training.epochs=2")["value"] == 207
    assert rows_signal(folder, "splits.seed=3")["source"] == "data"
    rows.write_text(rows.read_text(encoding="utf-8") + rows.read_text(encoding="utf-8")[:60] + "\n", encoding="utf-8")
    assert rows_signal(folder)["source"] == "data"


# ---------------------------------------------------------------- after a build


def built(folder: Path, tuned: float, linear: float) -> dict[str, Any]:
    """What is advised after a build in which both have this accuracy on 40 test rows; on dev the tuned file shines."""

    def figure(value: float) -> dict[str, Any]:
        ends = {"low": value - 0.1, "high": value + 0.1, "bound": value - 0.08}
        return {"accuracy": {"value": value, **ends}}

    lead = figure(tuned - linear)["accuracy"]
    systems: list[dict[str, Any]] = [
        {"name": "tfidf", "kind": "baseline", "dev": None, "test": figure(linear), "ahead": lead},
        {"name": "small-q8_0", "kind": "quantized", "dev": figure(0.95), "test": figure(tuned), "ahead": None},
    ]
    told = {"primary": "accuracy", "chosen": "small-q8_0", "rows": {"test": 40}, "systems": systems}
    (folder / "build/report").mkdir(parents=True, exist_ok=True)
    report = told | {"worth": worth(systems, "accuracy", 40, 0.95)}
    (folder / "build/report/report.json").write_text(json.dumps(report), encoding="utf-8")
    return dict(json.loads(tunec(folder, "advise", "--json")[0]))


def test_after_a_build_advice_rests_on_the_test_rows_that_its_verdict_rests_on(folder: Path) -> None:
    task = TASK.replace("threshold: 0.7", "primary_metric: accuracy, threshold: 0.7")
    (folder / "task.yaml").write_text(task, encoding="utf-8")
    worse = built(folder, tuned=0.55, linear=0.65)
    assert worse["verdict"] == "linear" and worse["signals"]["as_good"]["value"] == "linear"
    assert worse["signals"]["tuned_reaches"]["value"] is False
    assert "small-q8_0 has accuracy 0.550 [0.45, 0.65] of 40 test rows" in worse["signals"]["tuned_reaches"]["told"]
    assert "tfidf has accuracy 0.650 of 40 test rows" in worse["signals"]["linear_reaches"]["told"]
    unsure = built(folder, tuned=0.75, linear=0.65)
    assert unsure["verdict"] == "fine_tuning" and unsure["signals"]["tuned_reaches"]["value"] is None
    better = built(folder, tuned=0.85, linear=0.65)
    assert better["verdict"] == "fine_tuning" and better["signals"]["tuned_reaches"]["value"] is True


@pytest.mark.parametrize(
    "spoil",
    [
        lambda report: report.pop("rows"),
        lambda report: report.update(systems="none"),
        lambda report: report.update(worth=None),
        lambda report: report["worth"]["over"][0].pop("kind"),
        lambda report: [one["test"]["accuracy"].pop("bound") for one in report["systems"]],
    ],
)
def test_a_report_of_another_version_is_no_evidence_and_is_said_to_be_none(spoil: Any, folder: Path) -> None:
    task = TASK.replace("threshold: 0.7", "primary_metric: accuracy, threshold: 0.7")
    (folder / "task.yaml").write_text(task, encoding="utf-8")
    built(folder, tuned=0.55, linear=0.65)
    file = folder / "build/report/report.json"
    report = json.loads(file.read_text(encoding="utf-8"))
    spoil(report)
    file.write_text(json.dumps(report), encoding="utf-8")
    found = json.loads(tunec(folder, "advise", "--json")[0])["signals"]
    for name in ("linear_reaches", "prompt_reaches", "tuned_reaches", "as_good"):
        assert found[name]["source"] == "assumed" and found[name]["value"] is None
        assert "not of this version" in found[name]["told"]
    file.write_text("[1]", encoding="utf-8")
    tunec(folder, "advise")


def test_of_a_build_before_an_edit_it_is_said_that_it_is_one(folder: Path) -> None:
    assert "T862" not in tunec(folder, "advise")[1]  # nothing was built
    task = TASK.replace("threshold: 0.7", "primary_metric: accuracy, threshold: 0.7")
    (folder / "task.yaml").write_text(task, encoding="utf-8")
    tunec(folder, "compile")
    built(folder, tuned=0.55, linear=0.65)
    assert "T862" not in tunec(folder, "advise")[1]
    assert "T862" not in tunec(folder, "advise", "training.epochs=3")[1]
    (folder / "task.yaml").write_text(task.replace("task_type", "domain: letters\ntask_type"), encoding="utf-8")
    assert "warning[T862]" in tunec(folder, "advise")[1]


def test_a_build_by_a_key_that_the_task_allows_no_more_is_one_before_an_edit(folder: Path) -> None:
    (folder / "task.yaml").write_text(TASK, encoding="utf-8")
    tunec(folder, "compile", "training.method=qlora")
    built(folder, tuned=0.55, linear=0.65)
    assert "T862" not in tunec(folder, "advise")[1]
    (folder / "task.yaml").write_text(TASK.replace("training:\n", "training:\n  adapter: lora\n"), encoding="utf-8")
    assert "warning[T862]" in tunec(folder, "advise")[1]


# ---------------------------------------------------------------- base models


def needs(**given: Any) -> models.Needs:
    usual = {
        "task_type": "classification",
        "language": "en",
        "lengths": Lengths(100, 300, 40),
        "free": False,
        "machine": hardware.remote(24),
    }
    return models.Needs(**{**usual, **given})


def test_chinese_leads_to_a_model_known_for_it(tmp_path: Path) -> None:
    found = models.candidates(tmp_path, needs(language="zh-TW", task_type="qa"))
    assert found[0].preset.startswith("qwen") and "strong_language" in dict(found[0].why)


def test_what_is_published_begins_with_a_model_whose_terms_allow_it(tmp_path: Path) -> None:
    """A model of the usual size under terms of its own, or a smaller one that anybody may pass on."""
    own = tmp_path / "conf" / "base_model"
    own.mkdir(parents=True)
    for name, licence, size in (("close", "close-1.0", 450_000_000), ("open", "mit", 100_000_000)):
        told = f"source: folder, license: {licence}, parameters: {size}, context_length: 200000"
        (own / f"{name}.yaml").write_text(f"base_model: {{{told}}}\n", encoding="utf-8")
    given = needs(lengths=Lengths(0, 100_000, 40), machine=hardware.Machine(True, 10**15))
    here, there = (models.candidates(tmp_path, replace(given, target=of))[0] for of in ("local", "huggingface"))
    assert (here.preset, there.preset) == ("close", "open")
    assert "publishable" in dict(there.why) and "free_licence" not in dict(there.why)


def test_what_does_not_fit_the_memory_comes_last_or_in_four_bits(tmp_path: Path) -> None:
    small = models.candidates(tmp_path, needs(task_type="qa", machine=hardware.remote(6)))[0]
    assert small.adapter == "qlora" and small.memory <= 6e9
    none = models.candidates(tmp_path, needs(machine=hardware.Machine(False, 10**8)))[0]
    assert "memory" in dict(none.drawbacks)


def test_a_long_row_rules_out_a_short_context(tmp_path: Path) -> None:
    found = models.candidates(
        tmp_path, needs(lengths=Lengths(19_000, 1_000, 40), machine=hardware.Machine(True, 10**15))
    )
    assert all((one.context or math.inf) >= 20_000 for one in found)


def test_every_preset_has_a_family(tmp_path: Path) -> None:
    for name, _ in models._presets(tmp_path):
        assert models._family(name), name


@given(st.integers(10**8, 10**10), st.integers(64, 4096), st.sampled_from(["lora", "qlora", "full"]))
def test_more_weights_and_longer_rows_never_take_less(size: int, tokens: int, adapter: str) -> None:
    machine = hardware.Machine(True, 10**18)

    def held(size: int, long: Lengths, batch: int = 8, *, shared: bool = True) -> int:
        return hardware.training_memory(size, long, adapter, machine, batch, shared=shared)

    long = Lengths(100, tokens, 30)
    base = held(size, long)
    assert held(10 * size, long) >= base and held(size, long, 9) > base
    assert held(size, Lengths(100, 2 * tokens, 30)) > base
    assert held(size, long, shared=False) > base  # the prompt once for each row


# ---------------------------------------------------------------- places


def test_where_rows_may_not_leave_only_ones_own_machines_are_left(folder: Path) -> None:
    (folder / "task.yaml").write_text(TASK + "cost: {data_may_leave: false}\n", encoding="utf-8")
    told = json.loads(tunec(folder, "advise", "--json")[0])["places"]
    assert {one["name"] for one in told if not one["against"]} == {"own_cpu", "own_gpu"}
    assert {one["name"] for one in told[:2]} == {"own_cpu", "own_gpu"}
    assert all("data may not leave" in one["against"] for one in told[2:])


@pytest.mark.parametrize(
    ("section", "answered", "value", "source"),
    [
        ("{}", None, None, "assumed"),
        ("{requests_per_month: 10}", "false", False, "answers"),
        ("{requests_per_month: 10}", "true", True, "answers"),
        ("{data_may_leave: true}", "false", True, "task.yaml"),
        ("{data_may_leave: false}", "true", False, "task.yaml"),
    ],
)
def test_that_rows_may_leave_is_only_held_where_somebody_said_so(
    section: str, answered: str | None, value: bool | None, source: str, folder: Path
) -> None:
    (folder / "task.yaml").write_text(f"{TASK}cost: {section}\n", encoding="utf-8")
    (folder / "answers.yaml").write_text(f"data_may_leave: {answered}\n" if answered else "{}\n", encoding="utf-8")
    told = json.loads(tunec(folder, "advise", "--answers", "answers.yaml", "--json")[0])
    found = told["signals"]["data_may_leave"]
    assert (found["value"], found["source"]) == (value, source)
    openai = next(one for one in told["places"] if one["name"] == "openai")
    assert ("data may not leave" in openai["against"]) is (value is False)
    assert any("nobody said whether rows may leave" in one for one in openai["ask"]) is (value is None)


def test_personal_data_and_what_nobody_said_are_asked_about_where_rows_would_go(folder: Path) -> None:
    rows = [{"text": f"write to anna.lindqvist{n}@example.org {n}", "label": "ab"[n % 2]} for n in range(60)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    told = json.loads(tunec(folder, "advise", "--json")[0])
    asks = {one["name"]: " ".join(one["ask"]) for one in told["places"]}
    assert "email" in asks["openai"] and "cost.data_may_leave" in asks["openai"] and not asks["own_cpu"]
    assert "region is not said" in asks["together"] and "region" not in asks["openai"]
    assert told["signals"]["personal"]["value"] is True and "the gate pii says" in told["signals"]["personal"]["told"]


def test_what_a_release_would_be_under_is_told_and_what_refuses_it(folder: Path) -> None:
    def licence(source: str) -> dict[str, Any]:
        text = TASK.replace("path: rows.jsonl", f"path: rows.jsonl{source}") + "versioning: {license: apache-2.0}\n"
        (folder / "task.yaml").write_text(text, encoding="utf-8")
        found: dict[str, Any] = json.loads(tunec(folder, "advise", "--json")[0])["signals"]["licence"]
        return found

    assert licence(", license: mit")["value"] is True
    assert "no licence is named for rows.jsonl" in licence("")["told"]
    passed_on = licence(", license: cc-by-nc-4.0")
    assert passed_on["value"] is False and "cc-by-nc-4.0" in passed_on["told"]


def test_a_field_in_which_mistakes_hurt_asks_for_an_expert(folder: Path) -> None:
    (folder / "task.yaml").write_text(TASK + "domain: banking\n", encoding="utf-8")
    field = json.loads(tunec(folder, "advise", "--json")[0])["signals"]["field"]
    assert field["value"] == "finance" and "expert_review, which is not written" in field["told"]
