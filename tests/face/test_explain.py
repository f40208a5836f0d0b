"""`tunec explain`: what a key is, who set it, which stages read it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from compiler.task import Task, keys
from stages.diagnostics import UserError
from tests.compiling import MINIMAL, ROWS
from tunec import described
from tunec.explaining import explain, key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ROWS).parent.mkdir(parents=True)
    (tmp_path / ROWS).touch()
    (tmp_path / "task.yaml").write_text(MINIMAL, encoding="utf-8")
    return tmp_path


def told(folder: Path, what: str, *overrides: str) -> dict[str, Any]:
    found: dict[str, Any] = explain(folder, what, list(overrides)).json()
    return found


def test_a_key_is_told_with_its_meaning_its_layers_and_its_readers(folder: Path) -> None:
    text = explain(folder, "training.learning_rate", ["training.learning_rate=1e-4"]).text()
    assert re.sub(r"yaml:\d+", "yaml:N", text).splitlines() == [
        "training.learning_rate = 1e-4",
        "  Peak rate, reached after the warm-up.",
        "",
        "  takes    a number, more than 0, less than 1, or auto (per step)",
        "  default  none",
        "  set by   <command line>",
        "  over     conf/method/sft.yaml:N: auto",
        "  read by  the stages papers (recipe.learning_rate), train (learning_rate)",
    ]


def test_an_auto_is_told_with_what_it_comes_to_and_why(folder: Path) -> None:
    (folder / "data" / "raw").mkdir(parents=True, exist_ok=True)
    rows = '{"text": "a", "people": "2", "time": "noon"}\n' * 300
    (folder / "data" / "raw" / "rows.jsonl").write_text(rows, encoding="utf-8")
    first = explain(folder, "training.epochs", []).text().splitlines()[0]
    assert first == "training.epochs = 4 (auto: about 300 rows)"
    found = told(folder, "training.learning_rate")
    assert (found["value"], found["auto"]) == (1e-3, "sft, an adapter, 0.13B parameters")
    assert "training.lora.r" in told(folder, "training.lora.r", "training.lora.r=auto")["key"]
    assert told(folder, "training.lora.alpha", "training.lora.r=8", "training.lora.alpha=auto")["value"] == 16


def test_qlora_as_a_method_is_told_as_what_it_is_built_as(folder: Path) -> None:
    method, adapter, rate = (
        told(folder, f"training.{name}", "training.method=qlora") for name in ("method", "adapter", "learning_rate")
    )
    assert (method["value"], [layer["value"] for layer in method["over"]]) == ("sft", ["qlora", "sft"])
    assert (adapter["value"], adapter["set_by"]["file"]) == ("qlora", "<command line>")
    assert (rate["value"], rate["auto"]) == (1e-3, "sft, an adapter, 0.13B parameters")


def test_qlora_as_the_first_of_two_methods_is_told_as_what_it_is_built_as(folder: Path) -> None:
    overrides = ("training.method=dpo", "training.after.method=qlora")
    assert told(folder, "training.after.method", *overrides)["value"] == "sft"
    assert told(folder, "training.adapter", *overrides)["value"] == "qlora"
    assert told(folder, "training.after.learning_rate", *overrides)["auto"] == "sft, an adapter, 0.13B parameters"


def test_a_key_that_nobody_sets_has_the_schemas_default(folder: Path) -> None:
    found = told(folder, "splits.seed")
    assert (found["value"], found["default"], found["set_by"]) == (0, 0, {"value": 0, "file": None, "line": None})
    assert found["read_by"] == {"mix": ["seed"], "splits": ["seed"]}


def test_the_workspaces_own_preset_lies_over_tunecs(folder: Path) -> None:
    (folder / "conf" / "method").mkdir(parents=True)
    (folder / "conf" / "method" / "sft.yaml").write_text("training: {epochs: 9}\n", encoding="utf-8")
    found = told(folder, "training.epochs")
    assert (found["value"], found["set_by"]["line"]) == (9, 1)
    assert [layer["value"] for layer in found["over"]] == ["auto"]


def test_the_names_that_a_key_takes_are_listed(folder: Path) -> None:
    assert "slot_f1" in told(folder, "success_criteria.primary_metric")["choices"]
    assert "smollm2-135m" in told(folder, "training.base_model")["choices"]
    assert told(folder, "evaluation.decoding")["allowed"] == "auto | constrained | free | likelihood"


def test_a_section_tells_its_keys_in_short(folder: Path) -> None:
    lines = explain(folder, "training.lora", []).text().splitlines()
    assert lines[0] == "training.lora: The low-rank adapter."
    assert re.fullmatch(r"  r +16 +Rank  +\[conf/defaults\.yaml:\d+\]", lines[2])
    assert {one["key"] for one in told(folder, "training.lora")["keys"]} >= {"training.lora.r", "training.lora.alpha"}


@pytest.mark.parametrize("spelled", ["data.sources.path", "data.sources[].path", "data.sources[0].path"])
def test_a_key_in_a_list_is_told_for_all_of_the_list(spelled: str, folder: Path) -> None:
    found = told(folder, spelled)
    assert (found["key"], found["value"], found["set_by"]["file"]) == (
        "data.sources.path",
        ["data/raw/*"],
        "conf/defaults.yaml",
    )


def test_a_gate_is_told_by_what_it_says_of_itself(folder: Path) -> None:
    found = told(folder, "success_criteria.gates.schema_validity")
    assert (found["set_by"]["file"], found["meaning"]) == ("conf/task_type/extraction.yaml", "answers fit the contract")
    assert told(folder, "success_criteria.gates.golden")["set_by"] is None


def test_a_swept_key_says_so(folder: Path) -> None:
    (folder / "task.yaml").write_text(f"{MINIMAL}sweep: {{training.lora.r: [8, 16]}}\n", encoding="utf-8")
    assert told(folder, "training.lora.r")["sweep"] == {"value": [8, 16], "file": "task.yaml", "line": 13}
    assert "  swept    [8, 16], task.yaml:13" in explain(folder, "training.lora.r", []).text()


@pytest.mark.parametrize(
    ("wrong", "help"),
    [
        ("training.learning_rat", "did you mean `training.learning_rate`?"),
        ("learning_rate", "did you mean `training.learning_rate`?"),
        ("epoch", "did you mean `training.epochs`?"),
        ("success_criteria.gates.gold", "did you mean `success_criteria.gates.golden`?"),
        ("zzzzzz", "`tunec schema` lists all keys"),
    ],
)
def test_an_unknown_key_is_refused_with_the_one_that_was_meant(wrong: str, help: str, folder: Path) -> None:
    with pytest.raises(UserError) as refused:
        explain(folder, wrong, [])
    assert [(d.code, d.help) for d in refused.value.diagnostics] == [("T011", help)]


def test_a_key_is_explained_where_the_task_is_broken_or_not_there(folder: Path) -> None:
    (folder / "task.yaml").write_text("training: [", encoding="utf-8")
    assert told(folder, "training.epochs")["note"].startswith("task.yaml has errors")
    (folder / "task.yaml").unlink()
    found = told(folder, "training.epochs")
    assert (found["value"], found["meaning"]) == (None, "Passes over the train split.")
    assert "there is no" in found["note"]


def test_a_code_is_told_in_any_case_and_one_that_is_none_is_refused(folder: Path) -> None:
    assert told(folder, "t010")["code"] == "T010"
    assert explain(folder, "T010", []).text().startswith("error[T010]: A metric that tunec does not have")
    with pytest.raises(UserError) as refused:
        explain(folder, "T998", [])
    assert refused.value.diagnostics[0].code == "T413"
    with pytest.raises(UserError, match="tunec has no code T62"):
        explain(folder, "t62", [])


@pytest.mark.parametrize("path", list(keys(Task)))
def test_every_key_says_what_it_means_what_it_takes_and_who_reads_it(path: str, folder: Path) -> None:
    found = key(folder, path, [])
    assert found.meaning and found.about.allowed
    assert found.stages or found.others


def test_the_schema_as_it_is_described_has_every_key() -> None:
    known = {about.path for about in described.every()}
    assert known >= set(keys(Task))
    assert described.about("training").allowed == "a mapping"  # type: ignore[union-attr]


def test_a_metric_as_a_gate_says_what_it_measures(folder: Path) -> None:
    found = told(folder, "success_criteria.gates.exact_match")
    assert found["meaning"] == described.summary("evaluation.metrics.exact_match")
    assert "threshold" not in told(folder, "success_criteria.gates")["choices"]


def test_a_hub_id_without_a_commit_is_told_as_the_preset_that_pins_one(folder: Path) -> None:
    model = "training.base_model"
    named = told(folder, model, f"{model}=HuggingFaceTB/SmolLM2-135M-Instruct")
    revision = told(folder, "base_model.revision", f"{model}=smollm2-135m-hub")["value"]
    assert "the preset `smollm2-135m-hub`" in named["note"] and str(revision)[:12] in named["note"]
    assert "note" not in told(folder, model, f"{model}=HuggingFaceTB/SmolLM2-135M-Instruct@{revision}")
    assert "note" not in told(folder, model) and "note" not in told(folder, model, f"{model}=smollm2-135m-hub")
