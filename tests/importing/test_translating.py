"""What single keys become, beyond the golden cases; and what a foreign file may not do."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from compiler.parse import parse
from stages.diagnostics import UserError
from tests.compiling import ROOT
from tests.importing.places import CASES, tried
from tunec.importing import import_files

AXOLOTL = "base_model: a/b\nmicro_batch_size: 2\nlearning_rate: 1e-4\n"
LLAMAFACTORY = "model_name_or_path: a/b\nstage: sft\nlearning_rate: 1e-4\n"
ROWS = "datasets:\n  - {path: data/raw/rows.jsonl, type: alpaca}\n"


def task(text: str, folder: Path, format: str = "axolotl") -> dict[str, Any]:
    written = parse(tried(text, folder, format)[0], "task.yaml").plain()
    assert isinstance(written, dict)
    return written


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("gradient_accumulation_steps: 8", "batch_size", 16),
        ("gradient_accumulation_steps: '8'", "batch_size", 16),
        ("gradient_accumulation_steps: 8.5", "batch_size", 2),
        ("num_epochs: 3.0", "epochs", 3),
        ("num_epochs: 0.5", "epochs", 0.5),
        ("weight_decay: 1_0", "weight_decay", 10),
        ("sequence_len: 512", "max_length", 512),
        ("warmup_ratio: 0.1", "warmup_ratio", 0.1),
        ("warmup_steps: 0", "warmup_ratio", 0.0),
        ("lr_scheduler: one_cycle", "scheduler", "linear"),
        ("lr_scheduler: cosine_with_min_lr", "scheduler", "cosine"),
        ("adapter: qlora", "adapter", "qlora"),
        ("adapter: lora\nload_in_4bit: yes", "adapter", "qlora"),
        ("adapter: lora\nload_in_8bit: true", "adapter", "lora"),
        ("adapter:", "adapter", "full"),
        ("rl: ipo", "method", "ipo"),
        ("revision_of_model: main", "base_model", "a/b"),
        (f"revision_of_model: {'0' * 40}", "base_model", f"a/b@{'0' * 40}"),
    ],
)
def test_a_key_of_axolotl_becomes_this_key_of_training(line: str, key: str, value: Any, tmp_path: Path) -> None:
    text = AXOLOTL if "epochs" not in line else AXOLOTL.replace("micro_batch_size: 2\n", "")
    assert task(text + line + "\n", tmp_path)["training"][key] == value


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("", "epochs", 3),
        ("", "batch_size", 8),
        ("", "scheduler", "linear"),
        ("per_device_train_batch_size: 1\ngradient_accumulation_steps: 8", "batch_size", 8),
        ("lora_rank: 4", "lora", {"r": 4, "alpha": 8, "dropout": 0.0, "target_modules": "all-linear"}),
        ("lora_alpha: 9", "lora", {"r": 8, "alpha": 9, "dropout": 0.0, "target_modules": "all-linear"}),
        ("lora_target: q, v", "lora", {"r": 8, "alpha": 16, "dropout": 0.0, "target_modules": "q,v"}),
        ("quantization_bit: 8", "adapter", "lora"),
        ("quantization_bit: 4", "adapter", "qlora"),
        ("finetuning_type: full\nquantization_bit: 4", "adapter", "full"),
    ],
)
def test_a_key_of_llamafactory_becomes_this_key_of_training(line: str, key: str, value: Any, tmp_path: Path) -> None:
    assert task(f"{LLAMAFACTORY}{line}\n", tmp_path, "llamafactory")["training"][key] == value


@pytest.mark.parametrize(
    ("stage", "loss", "method"),
    [("pt", "", "cpt"), ("dpo", "", "dpo"), ("dpo", "orpo", "orpo"), ("dpo", "simpo", "simpo"), ("rm", "", "rm")],
)
def test_the_stage_and_the_loss_make_the_method(stage: str, loss: str, method: str, tmp_path: Path) -> None:
    text = LLAMAFACTORY.replace("sft", stage) + (f"pref_loss: {loss}\n" if loss else "")
    assert task(text, tmp_path, "llamafactory")["training"]["method"] == method


@pytest.mark.parametrize(
    ("share", "splits"),
    [("0.05", {"ratios": {"train": 0.85, "dev": 0.05, "test": 0.1}}), ("0", None), ("200", None), ("much", None)],
)
def test_a_share_of_the_rows_goes_to_dev_and_a_number_of_them_is_listed(
    share: str, splits: Any, tmp_path: Path
) -> None:
    written, report = tried(f"{AXOLOTL}val_set_size: {share}\n", tmp_path)
    assert parse(written, "task.yaml").plain().get("splits") == splits
    assert "config.yaml:4 val_set_size" in report


def test_rows_that_lie_in_the_workspace_keep_their_path_and_are_no_problem_of_check(tmp_path: Path) -> None:
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "data" / "raw" / "rows.jsonl").write_text("{}\n", encoding="utf-8")
    written, report = tried(AXOLOTL + ROWS, tmp_path)
    assert parse(written, "task.yaml").plain()["data"] == {"sources": [{"path": "data/raw/rows.jsonl"}]}
    assert "T101" not in report and "to bring" not in report


def test_rows_outside_the_workspace_are_to_be_copied(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (tmp_path / "rows.csv").write_text("a\n", encoding="utf-8")
    written, report = tried(AXOLOTL + ROWS.replace("data/raw/rows.jsonl", "../rows.csv"), here)
    assert parse(written, "task.yaml").plain()["data"] == {"sources": [{"path": "data/raw/rows.csv"}]}
    assert "copy ../rows.csv to data/raw/rows.csv" in report


def test_every_file_of_a_dataset_is_a_source(tmp_path: Path) -> None:
    text = "datasets:\n  - {path: json, data_files: [a.jsonl, b.jsonl], type: alpaca}\n"
    sources = task(AXOLOTL + text, tmp_path)["data"]["sources"]
    assert [source["path"] for source in sources] == ["data/raw/a.jsonl", "data/raw/b.jsonl"]


def test_two_splits_of_a_dataset_are_two_files(tmp_path: Path) -> None:
    text = "datasets: [{path: a/c, name: en}]\ntest_datasets: [{path: a/c, name: en, split: test}]\n"
    written, report = tried(AXOLOTL + text, tmp_path)
    sources = parse(written, "task.yaml").plain()["data"]["sources"]
    assert sources == [{"path": "data/raw/c-en.jsonl"}, {"path": "data/raw/c-en-test.jsonl", "role": "dev"}]
    assert "load_dataset('a/c', 'en', split='test').to_json('data/raw/c-en-test.jsonl')" in report


def test_two_datasets_of_one_name_are_told(tmp_path: Path) -> None:
    _, report = tried(AXOLOTL + "datasets: [{path: a/c, type: alpaca}, {path: b/c, type: alpaca}]\n", tmp_path)
    assert "  two datasets come to data/raw/c.jsonl: " in report


def test_a_folder_of_datasets_with_an_endless_name_is_no_crash(tmp_path: Path) -> None:
    written, _ = tried(f"{LLAMAFACTORY}dataset: mine\ndataset_dir: {'x' * 5000}\n", tmp_path, "llamafactory")
    assert "data/raw/mine.jsonl" in written


def test_paths_count_from_the_folder_of_the_new_task(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "rows.jsonl").write_text("{}\n", encoding="utf-8")
    (tmp_path / "config.yaml").write_text(AXOLOTL + ROWS.replace("data/raw/rows", "new/rows"), encoding="utf-8")
    with contextlib.chdir(tmp_path):
        import_files("axolotl", [Path("config.yaml")], Path("new/task.yaml"))
    written = parse((tmp_path / "new" / "task.yaml").read_text(encoding="utf-8"), "task.yaml").plain()
    assert written["data"]["sources"] == [{"path": "rows.jsonl"}]


def test_an_import_beside_its_own_dataset_info_names_it_in_the_report(tmp_path: Path) -> None:
    (tmp_path / "sets.json").write_text('{"mine": {"file_name": "x.jsonl", "odd": 1}}', encoding="utf-8")
    (tmp_path / "config.yaml").write_text(f"{LLAMAFACTORY}dataset: mine\n", encoding="utf-8")
    with contextlib.chdir(tmp_path):
        report = import_files("llamafactory", [Path("sets.json"), Path("config.yaml")], Path("task.yaml"))
    assert "    sets.json:1 mine.odd: 1\n" in report


@pytest.mark.parametrize(
    ("said", "todo"),
    [
        ('"hf_hub_url": "a/c", "split": "test"', "load_dataset('a/c', split='test')"),
        ('"ms_hub_url": "a/c"', "download the dataset `mine` from ModelScope to data/raw/c.jsonl"),
        ('"file_name": "c.csv"', "c.csv is not here: bring it to data/raw/c.csv"),
        ('"file_name": "s3://rows/c.parquet"', "copy s3://rows/c.parquet to data/raw/c.parquet"),
    ],
)
def test_rows_that_lie_elsewhere_are_to_be_brought(said: str, todo: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dataset_info.json").write_text(f'{{"mine": {{{said}}}}}', encoding="utf-8")
    _, report = tried(f"{LLAMAFACTORY}dataset: mine\n", tmp_path, "llamafactory")
    assert todo in report.partition("to bring before a build:")[2]


# ---------------------------------------------------------------- what a file may not do


def test_an_interpolation_is_listed_and_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2-hunter2")
    text = "base_model: ${oc.env:SECRET}\nadapter: ${env:SECRET}\n" + ROWS.replace(
        "data/raw/rows.jsonl", '"${SECRET}.jsonl"'
    )
    written, report = tried(text, tmp_path)
    assert "${" not in written and "hunter2" not in written + report
    assert "config.yaml:1 base_model: " in report and "config.yaml:2 adapter: " in report
    assert "adapter: lora # to decide: " in written


HOSTILE = "x\\nmethod: sft\\n\\x1b[2J\\u202e # `touch pwned`"


def test_what_a_file_says_begins_no_line_of_its_own(tmp_path: Path) -> None:
    text = f'"base_model\\n": 1\n{AXOLOTL}adapter: "{HOSTILE}"\ndatasets: [{{path: "{HOSTILE}", type: "{HOSTILE}"}}]\n'
    text += f'rl: "{HOSTILE}"\nlr_scheduler: "{HOSTILE}"\noutput_dir: "{HOSTILE}"\n"{HOSTILE}": "{HOSTILE}"\n'
    written, report = tried(text, tmp_path)
    assert "\x1b" not in written + report and "\u202e" not in report
    assert not [line for line in (written + report).splitlines() if line.startswith(("method", "x", "base_model\n"))]
    assert parse(written, "task.yaml").plain()["training"]["method"].startswith("x\nmethod")


def test_a_name_that_a_shell_would_run_is_no_part_of_a_command(tmp_path: Path) -> None:
    _, report = tried(AXOLOTL + ROWS.replace("data/raw/rows.jsonl", "\"a/b'); touch pwned; ('\""), tmp_path)
    assert "load_dataset" not in report


def test_an_import_loads_no_ml_library(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(AXOLOTL + ROWS, encoding="utf-8")
    code = (
        "import sys; from pathlib import Path; from tunec.importing import import_files;"
        "import_files('axolotl', [Path('config.yaml')], Path('task.yaml'));"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    command, path = [sys.executable, "-c", code], {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=path, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "tunec" in loaded and not loaded & {"torch", "transformers", "dvc", "datasets", "numpy", "huggingface_hub"}


def test_a_damaged_file_is_translated_or_refused_and_never_crashes(tmp_path: Path) -> None:
    """A seeded walk: lines of real files lost, doubled, mixed and cut."""
    chance = random.Random(5)
    texts = [(case.parent.name, (case / "config.yaml").read_text(encoding="utf-8").splitlines()) for case in CASES]
    for number in range(60):
        format, lines = chance.choice(texts)
        other = chance.choice(texts)[1]
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(lines))
            cut, open_ = lines[at][: len(lines[at]) // 2], lines[at] + ": {"
            line = chance.choice([*other, "", "  - ", cut, open_, "x: &x [*x]"])
            lines = [*lines[:at], line, *lines[at + chance.randint(0, 1) :]]
        here = tmp_path / str(number)
        here.mkdir()
        start = time.process_time()
        with contextlib.suppress(UserError):
            written, _ = tried("\n".join(lines), here, format)
            parse(written, "task.yaml")
        assert time.process_time() - start < 2
