"""`tunec diagnose` as a command: what it refuses, what it says, and what it writes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.rows import read_json, read_jsonl, row_id, write_json
from tests.compiling import ROOT
from tests.diagnosing.made import TASK, VARIANT, Made, asked, tunec
from tests.diagnosing.test_causes import label_noise, quantization


def test_the_text_names_cause_figure_experiment_and_fix(tmp_path: Path) -> None:
    made = Made(tmp_path)
    quantization(made)
    text, _ = tunec(made.write().root, "diagnose")
    assert "1. the quantization is too strong (quantization, evidence 0.95)" in text
    assert "macro_f1 of q8_0 is 0.120 below the f16's on dev [0.110, 0.130]" in text
    assert "to settle it: " in text and "quantization.formats: [q8_0, q6_k, q5_k_m]" in text


def test_of_a_healthy_build_it_says_that_nothing_stands_out(tmp_path: Path) -> None:
    text, err = tunec(Made(tmp_path).write().root, "diagnose")
    assert "no cause is claimed" in text and not err


def test_the_same_build_gives_the_same_words(tmp_path: Path) -> None:
    made = Made(tmp_path)
    label_noise(made)
    made.write()
    assert tunec(tmp_path, "diagnose", "--json") == tunec(tmp_path, "diagnose", "--json")


def test_apply_writes_the_fix_and_keeps_comments(tmp_path: Path) -> None:
    Made(tmp_path).write()
    tunec(tmp_path, "diagnose", "--apply", "quantization")
    after = (tmp_path / "task.yaml").read_text(encoding="utf-8")
    assert "# two of them" in after
    assert yaml.safe_load(after)["quantization"] == {"formats": ["q8_0", "q6_k", "q5_k_m"], "max_drop": 0.02}
    assert "not yet built: predict-" in tunec(tmp_path, "diagnose", code=1)[1]


def test_of_a_task_that_was_edited_the_build_before_is_told(tmp_path: Path) -> None:
    Made(tmp_path).write()
    (tmp_path / "task.yaml").write_text(TASK.replace("threshold: 0.7", "threshold: 0.6"), encoding="utf-8")
    assert "warning[T862]" in tunec(tmp_path, "diagnose")[1]


def test_a_row_that_a_sign_names_has_its_file_and_line_behind_it(tmp_path: Path) -> None:
    made = Made(tmp_path)
    label_noise(made)
    made.train = [replace(one, id=row_id(one.input, one.output)) for one in made.train]
    made.write()
    rows = [json.loads(line) for line in (tmp_path / "data/raw/rows.jsonl").read_text(encoding="utf-8").splitlines()]
    ids = {row_id({"text": row["text"]}, row["output"]): line for line, row in enumerate(rows, start=1)}
    found = asked(tmp_path, "diagnose")
    doubted = found["causes"][0]["signs"][0]["rows"]
    assert found["places"] == {id: f"data/raw/rows.jsonl:{ids[id]}" for id in doubted}
    text, _ = tunec(tmp_path, "diagnose")
    assert f"first {doubted[0]} (data/raw/rows.jsonl:{ids[doubted[0]]}), " in text


@pytest.mark.parametrize(("cause", "code"), [("quantisation", "T863"), ("missing_label", "T864")])
def test_what_cannot_be_applied_is_refused(cause: str, code: str, tmp_path: Path) -> None:
    Made(tmp_path).write()
    assert f"error[{code}]" in tunec(tmp_path, "diagnose", "--apply", cause, code=1)[1]
    assert (tmp_path / "task.yaml").read_text(encoding="utf-8") == TASK


def test_every_patch_compiles(tmp_path: Path) -> None:
    from tunec.diagnosing.diagnosing import causes

    for name, cause in causes().items():
        folder = tmp_path / name
        folder.mkdir()
        from tunec.diagnosing.build import last_build

        build, _ = last_build(Made(folder).write().root)
        if cause.patch(build):
            tunec(folder, "diagnose", "--apply", name)
            tunec(folder, "check")


@pytest.mark.parametrize(
    ("cause", "training", "after"),
    [
        ("too_many_epochs", "epochs: 1, dev: {keep: last}", {"epochs": 1, "dev": {"checks": 6, "keep": "best"}}),
        ("too_many_epochs", "epochs: 0.5", {"epochs": 0.5, "dev": {"checks": 6, "keep": "best"}}),
        ("too_many_epochs", "epochs: 20, dev: {checks: 9}", {"epochs": 3, "dev": {"checks": 9, "keep": "best"}}),
        ("forgetting", "epochs: 0.5", {"epochs": 0.25}),
        ("forgetting", "epochs: 1.5", {"epochs": 0.75}),
        ("forgetting", "epochs: 2", {"epochs": 1}),
        ("forgetting", "epochs: 5", {"epochs": 2}),
    ],
)
def test_a_patch_never_trains_for_longer(cause: str, training: str, after: dict[str, Any], tmp_path: Path) -> None:
    Made(tmp_path, task=TASK.replace("epochs: 2", training)).write()
    tunec(tmp_path, "diagnose", "--apply", cause)
    found = yaml.safe_load((tmp_path / "task.yaml").read_text(encoding="utf-8"))["training"]
    assert found == {"base_model": "smollm2-135m", **after}
    tunec(tmp_path, "check")


def test_clean_rows_are_a_source_of_a_hundred_that_nothing_speaks_against(tmp_path: Path) -> None:
    made, clean = Made(tmp_path), {one.input["text"]: one.output for one in Made(tmp_path).train}
    label_noise(made)
    made.write()
    text, _ = tunec(tmp_path, "diagnose", "--clean", "data/clean.jsonl")
    rows = list(read_jsonl(tmp_path / "data/clean.jsonl"))
    assert len(rows) == 100 and {row["output"] for row in rows} == {"card", "refund", "rate", "login"}
    assert sum(clean[row["text"]] == row["output"] for row in rows) > 92  # of all train rows 80 in a hundred are right
    assert f"tunec build train-{VARIANT} 'data.sources=[{{path: data/clean.jsonl}}]' training.epochs=10" in text
    words = ["data.sources=[{path: data/clean.jsonl}]", "training.epochs=10"]
    tunec(tmp_path, "compile", "--dry-run", "task.yaml", *words)


# ---------------------------------------------------------------- refusals


def test_before_a_build_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/rows.jsonl").write_text('{"text": "a", "output": "card"}\n')
    (tmp_path / "task.yaml").write_text(TASK, encoding="utf-8")
    for command in ("diagnose", "repair"):
        assert "error[T407]" in tunec(tmp_path, command, code=1)[1]


def test_a_build_half_done_is_refused_and_what_is_missing_named(tmp_path: Path) -> None:
    Made(tmp_path).write()
    (tmp_path / "build/gate/verdict.json").unlink()
    assert "not yet built: gate" in tunec(tmp_path, "diagnose", code=1)[1]


def test_answers_to_other_rows_are_no_whole_build(tmp_path: Path) -> None:
    Made(tmp_path).write()
    path = tmp_path / f"build/predict-{VARIANT}-q8_0/predictions.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    assert "error[T860]" in tunec(tmp_path, "diagnose", code=1)[1]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("build/select/choice.json", "{}"),
        ("build/data/report.json", '{"read": 3}'),
        ("build/select/reason.json", "[]"),
        ("build/select/scores.json", "not JSON"),
        ("build/test/checks.json", "[" * 100_000),
        (f"build/train-{VARIANT}/report.json", '{"rows": 1}'),
        (f"build/train-{VARIANT}/curve.csv", "step,loss\n1,high\n"),
        (f"build/predict-{VARIANT}-tuned/predictions.jsonl", '{"id": "x", "words": 3}\n'),
        (f"build/predict-{VARIANT}-tuned/predictions.jsonl", '{"id": "x", "te'),
        ("build/splits/train.jsonl", '{"id": "x", "in'),
        ("build/splits/train.jsonl", '{"a": 1}\n'),
        ("build/data/rejected.jsonl", '{"file": '),
    ],
)
def test_a_report_of_another_version_is_named(path: str, content: str, tmp_path: Path) -> None:
    Made(tmp_path).write()
    (tmp_path / path).write_text(content, encoding="utf-8")
    _, err = tunec(tmp_path, "diagnose", code=1)
    assert "error[T861]" in err and path in err


def test_no_torch_is_loaded(tmp_path: Path) -> None:
    Made(tmp_path).write()
    code = "import sys; from pathlib import Path; from tunec.diagnosing.diagnosing import diagnose; "
    code += "diagnose(Path()); print(json.dumps(sorted({'torch', 'transformers', 'llama_cpp'} & sys.modules.keys())))"
    command = [sys.executable, "-c", f"import json, sys; sys.path.insert(0, {str(ROOT)!r}); {code}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_symptoms_are_told_with_their_figures(tmp_path: Path) -> None:
    made = Made(tmp_path)
    for one in made.dev[::2]:
        made.said[one.id] = {"text": "card", "free": "no label at all"}
    made.write()
    path = tmp_path / "build/score/scores.json"
    write_json(path, read_json(path) | {"ahead": {"prompted-smollm2-135m": {"value": -0.2}, "larger": {"value": -0.3}}})
    found = " | ".join(asked(tmp_path, "diagnose")["symptoms"])
    assert "needed 0.7" in found and "break the contract when no grammar holds them" in found
    assert "prompted-smollm2-135m is 0.200 better in macro_f1, without any training" in found and "larger" not in found
