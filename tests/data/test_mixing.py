"""What is trained on: rows by the weight of their source, and general rows against forgetting."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stages import mix
from stages.diagnostics import Diagnostic
from stages.progress import heed
from tests.compiling import compiled, params, told
from tests.data.building import LABELS, jsonl, lines, read, split
from tests.data.test_meaning import model

GENERAL = "data/general/chat.jsonl"
ROWS = [{"text": f"where is parcel number {n} of mine", "label": "shipping"} for n in range(100)]
TALK = [{"prompt": f"Tell me about the river {n} in a word.", "answer": f"It is {n} miles long."} for n in range(60)]
MIX = f"data: {{general_mix: {{path: {GENERAL}, share: 0.2}}}}\n"
LATE = {"text": "where parcel late", "label": "shipping", "split": "test"}
SPLITS = ("train", "dev", "test", "golden", "adversarial", "holdout")


def mixed(folder: Path, general: list[Any], task: str = LABELS + MIX, rows: list[Any] = ROWS) -> dict[str, Any]:
    """Run data, splits and mix; `train`, `rejected` and `report` of the last, and the parts of the split."""
    parts = split(read({"data/raw/rows.jsonl": jsonl(rows)}, task.replace(MIX, "")).accepted)
    return {**mixing(folder, parts, general, task), "parts": parts}


def mixing(folder: Path, parts: Mapping[str, Any], general: list[Any], task: str) -> dict[str, Any]:
    with contextlib.chdir(folder):
        for name in SPLITS:
            Path(f"{name}.jsonl").write_bytes(jsonl(parts.get(name, [])))
        Path(GENERAL).parent.mkdir(parents=True, exist_ok=True)
        Path(GENERAL).write_bytes(jsonl(general))
        given = params(compiled(task, "data/raw/rows.jsonl", GENERAL, "words/config.json"), "mix")
        out = mix.Outputs(Path("out/train.jsonl"), Path("out/rejected.jsonl"), Path("out/report.json"))
        out.train.parent.mkdir(exist_ok=True)
        inputs = mix.Inputs(*(Path(f"{name}.jsonl") for name in SPLITS), general=(Path(GENERAL),) if general else ())
        mix.run(inputs, mix.MixParams(**given), out)
        assert sorted(path.name for path in out.train.parent.iterdir()) == [
            "rejected.jsonl",
            "report.json",
            "train.jsonl",
        ]
        return {
            "train": lines(out.train),
            "rejected": lines(out.rejected),
            "report": json.loads(out.report.read_text(encoding="utf-8")),
        }


def general_of(found: Mapping[str, Any]) -> list[str]:
    return [row["input"]["prompt"] for row in found["train"] if row.get("general")]


def test_general_rows_are_their_share_of_what_is_trained_on(tmp_path: Path) -> None:
    found = mixed(tmp_path, TALK)
    rows, general = found["report"]["task_rows"], found["report"]["general_rows"]
    assert rows == len(found["parts"]["train"]) and general == round(rows / 4)
    assert len(found["train"]) == rows + general == rows + len(general_of(found))
    assert found["report"]["general_share"] == pytest.approx(0.2, abs=0.01)
    assert found["report"]["general_read"] == 60 == general + found["report"]["general_left"]


def test_which_ones_are_taken_does_not_depend_on_their_order(tmp_path: Path) -> None:
    assert mixed(tmp_path, TALK)["train"] == mixed(tmp_path, TALK[::-1])["train"]
    reseeded = LABELS + MIX + "splits: {seed: 7}\n"
    assert general_of(mixed(tmp_path, TALK, reseeded)) != general_of(mixed(tmp_path, TALK))


def test_general_rows_pass_the_gates_and_tell_nothing_of_dev_and_test(tmp_path: Path) -> None:
    parts = mixed(tmp_path, TALK)["parts"]
    leaked = parts["test"][0]["input"]["text"]
    bad = [
        {"prompt": leaked.upper() + "!", "answer": "On its way."},
        {"prompt": "Hi there, who are you?", "answer": ""},
        {"prompt": "What is my key?", "answer": "AKIAIOSFODNN7EXAMPLE and " + "ghp_" + "a1B2" * 9},
        {**TALK[0], "prompt": TALK[0]["prompt"].lower()},
        {"prompt": "Which split?", "answer": "The word in that column says nothing here.", "split": "test"},
        "no row",
    ]
    found = mixing(tmp_path, parts, [*TALK, *bad], LABELS + MIX)
    gates = Counter(one["gate"] for one in found["rejected"])
    assert gates["leak"] == 1 and gates["row"] == 1 and gates["secrets"] == 1 and gates["format"] == 1
    assert gates["near"] == 1, "one of two that say the same"
    assert found["report"]["general_read"] == 66 and found["report"]["general_rejected"] == dict(gates)
    kept = found["report"]["general_rows"] + found["report"]["general_left"]
    assert kept + sum(gates.values()) == 66
    assert {one["line"] for one in found["rejected"]} <= {1, 61, 62, 63, 64, 66}


@pytest.mark.parametrize(("action", "gates"), [("reject", {"leak": 1}), ("warn", {"leak": 1}), ("off", {})])
def test_a_general_row_that_says_a_test_row_in_other_words_is_not_trained_on(
    tmp_path: Path, action: str, gates: dict[str, int]
) -> None:
    parts = split(read({"data/raw/rows.jsonl": jsonl([*ROWS, LATE])}).accepted)
    assert [row["input"]["text"] for row in parts["test"]] == [LATE["text"]]
    for name, file in model().items():
        (tmp_path / "words" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "words" / name).write_bytes(file)
    more = f"gates: {{semantic: {action}}}, dedupe: {{embedder: words}}"
    told = {"prompt": "wo package overdue", "answer": "It is on its way."}
    found = mixing(tmp_path, parts, [*TALK, told], LABELS + MIX.replace("share: 0.2}}", f"share: 0.2}}, {more}}}"))
    assert found["report"]["general_rejected"] == gates
    assert [one["line"] for one in found["rejected"]] == [61] * len(gates)


def test_too_few_general_rows_are_all_taken_and_it_is_said(tmp_path: Path) -> None:
    said: list[Diagnostic] = []
    heed(said.append)
    try:
        found = mixed(tmp_path, TALK[:5])
    finally:
        heed(lambda found: None)
    assert found["report"]["general_rows"] == 5 and [one.code for one in said] == ["T743"]


@pytest.mark.parametrize(("weight", "low", "high"), [(2, 2, 2), (1.5, 1, 2), (0.25, 0, 1)])
def test_a_row_is_trained_on_as_often_as_its_source_weighs(tmp_path: Path, weight: float, low: int, high: int) -> None:
    task = LABELS + f"data: {{sources: [{{path: data/raw/rows.jsonl, weight: {weight}}}]}}\n"
    found = mixed(tmp_path, [], task)
    rows = found["parts"]["train"]
    times = Counter(row["id"] for row in found["train"])
    assert {times[row["id"]] for row in rows} == {low, high}
    assert found["report"]["task_rows"] == len(found["train"]) == pytest.approx(weight * len(rows), rel=0.35)
    assert len({row["id"] for row in found["parts"]["test"]}) == len(found["parts"]["test"])


def test_only_a_task_that_asks_for_it_has_the_stage() -> None:
    plain, mixed = compiled(LABELS), compiled(LABELS + MIX, "data/raw/rows.jsonl", GENERAL)
    stages = [{one.stage.name for one in made.plan.instances} for made in (plain, mixed)]
    assert stages[1] - stages[0] == {"mix"}
    reads = [
        next(one.inputs["train"] for one in made.plan.instances if one.stage.name == "train") for made in (plain, mixed)
    ]
    assert reads == ["build/splits/train.jsonl", "build/mix/train.jsonl"]
    assert mixed.plan["mix"].inputs["general"] == [GENERAL]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ("data: {general_mix: {path: data/other.jsonl}}", "T740"),
        ("data: {general_mix: {path: data/raw/rows.jsonl}}", "T740"),
        ("data: {general_mix: {path: ../chat.jsonl}}", "T102"),
        ("data: {sources: [{path: data/raw/rows.jsonl}, {path: d/t.csv, role: test, weight: 2}]}", "T742"),
    ],
)
def test_what_would_do_nothing_or_harm_is_said(more: str, code: str) -> None:
    assert code in {found.code for found in told(f"{LABELS}{more}\n", "data/raw/rows.jsonl", "d/t.csv", GENERAL)}


def test_general_rows_beside_a_method_that_cannot_learn_them_are_refused() -> None:
    task = (LABELS + MIX).replace("{base_model: smollm2-135m}", "{base_model: smollm2-135m, method: orpo}")
    assert "T741" in {found.code for found in told(task, "data/raw/rows.jsonl", GENERAL)}
