"""The papers of a task: each says what the task and the reports say, and the same inputs give the same bytes."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages import report
from stages.base import READ
from stages.papers import STAGE, Inputs, Outputs, PapersParams
from stages.rows import Row, read_json, write_json, write_rows
from tests.compiling import MINIMAL, compiled
from tests.stages.made_up_build import FACTS, VARIANT, made_up, params

SEEDS_TEN = {
    *("task.md", "data_spec.md", "output_schema.json", "quality_gates.md", "eval_plan.md", "generation_prompt.md"),
    *("baseline_report.md", "train_config.yaml", "eval_report.md", "model_card.md"),
}
GENERATE = """\
generate:
  teacher: {endpoint: 'http://127.0.0.1:9/v1', model: big}
  rows: [{tag: boundary, count: 7, edge_case: a table for none}]
"""


def inputs(folder: Path) -> Inputs:
    """What `report` leaves, and what the papers read beside it."""
    made = made_up(folder)
    drawn = report.Outputs(folder / "page.html", folder / "table.json")
    report.run(made, params(), drawn)
    rows = [Row(f"{n:012x}", {"text": f"row {n}"}, {"people": "2"}, tags=("boundary",) * (n % 2)) for n in range(6)]
    write_rows(folder / "accepted.jsonl", rows)
    facts = FACTS["model"] | {"source": "package", "file": "SmolLM2.gguf"}
    write_json(folder / "facts.json", {**FACTS, "model": facts})
    known = {"splits": made.splits, "choice": made.choice, "reason": made.reason, "scores": made.test}
    known |= {"clusters": made.clusters, "speed": made.test_speed, "verdict": made.verdict}
    spoken = read_json(made.test)
    write_json(made.test, spoken | {"lower": []})
    return Inputs(
        rows=folder / "accepted.jsonl",
        models={"smollm2-135m": folder / "facts.json"},
        table=drawn.table,
        **known,  # type: ignore[arg-type]
    )


def settings(text: str = MINIMAL) -> PapersParams:
    made = compiled(text, overrides=["success_criteria.primary_metric=slot_f1"]).plan["papers"].params
    return PapersParams(**{name: value for name, value in made.items() if name != READ})


def written(folder: Path, given: Inputs, how: PapersParams) -> dict[str, str]:
    folder.mkdir()
    out = Outputs(**{name: folder / write.path for name, write in STAGE.writes().items()})
    STAGE.run(given, how, out)
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


@pytest.fixture
def given(tmp_path: Path) -> Inputs:
    return inputs(tmp_path / "build")


@pytest.fixture
def papers(tmp_path: Path, given: Inputs) -> dict[str, str]:
    return written(tmp_path / "papers", given, settings(MINIMAL + "goal: Read bookings.\nnon_goals: No dates.\n"))


def test_there_are_ten_of_them(papers: dict[str, str]) -> None:
    assert papers.keys() == SEEDS_TEN and len(fields(Outputs)) == 10
    assert all(text.endswith("\n") and text.strip() for text in papers.values())


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path, given: Inputs, papers: dict[str, str]) -> None:
    again = written(tmp_path / "again", given, settings(MINIMAL + "goal: Read bookings.\nnon_goals: No dates.\n"))
    assert again == papers and not any(str(tmp_path) in text for text in papers.values())


def test_they_say_what_the_task_says(papers: dict[str, str]) -> None:
    assert "Read bookings." in papers["task.md"] and "No dates." in papers["task.md"]
    assert "slot_f1 0.7 on the test rows" in papers["task.md"]
    assert json.loads(papers["output_schema.json"])["properties"].keys() == {"people", "time"}
    config = yaml.safe_load(papers["train_config.yaml"])
    assert config["training"]["lora"]["r"] == 16 and config["training"]["method"] == "sft"
    assert config["base_model"]["license"] == "apache-2.0" and VARIANT in papers["train_config.yaml"]


def test_the_task_says_which_mistakes_are_refused_where_it_goes_and_what_it_may_take(
    tmp_path: Path, given: Inputs, papers: dict[str, str]
) -> None:
    assert "| goes to | local |" in papers["task.md"] and "- beats_baselines: 0\n" in papers["task.md"]
    assert "- No bound is set: `success_criteria.gates.latency_p95`." in papers["task.md"]
    verdict = json.loads(given.verdict.read_text(encoding="utf-8"))
    gate = {"gate": "latency_p95", "status": "pass", "figure": 0.1, "bound": 0.2, "reason": "it is quick"}
    given.verdict.write_text(json.dumps({**verdict, "gates": [*verdict["gates"], gate]}), encoding="utf-8")
    text = written(tmp_path / "quick", given, settings(MINIMAL + "versioning: {deploy_target: ollama}\n"))["task.md"]
    assert "95 of 100 answers come within 0.2 s." in text and "| goes to | ollama |" in text


def test_how_answers_are_come_to_is_told_by_the_decoding(tmp_path: Path, given: Inputs) -> None:
    written_out, scored = (
        written(tmp_path / how, given, settings().model_copy(update={"decoding": how}))["eval_plan.md"]
        for how in ("constrained", "likelihood")
    )
    assert "- Answers are greedy (temperature 0)" in written_out and "highest probability" not in written_out
    assert "- An answer is the label that the model gives the highest probability" in scored and "greedy" not in scored


def test_they_say_what_the_reports_say(papers: dict[str, str]) -> None:
    assert "6 rows are accepted." in papers["data_spec.md"] and "| train | 7,379 |" in papers["data_spec.md"]
    assert "| boundary | a case at the edge of what is allowed or asked for | 3 |" in papers["data_spec.md"]
    assert "| rule | 0.402 |" in papers["baseline_report.md"] and "(chosen)" in papers["baseline_report.md"]
    assert "wrong value" in papers["eval_report.md"] and "**ship**" in papers["eval_report.md"]
    assert "3,731 test rows" in papers["eval_plan.md"] and "majority" in papers["eval_plan.md"]
    assert "| beats_baselines | 0 | pass |" in papers["quality_gates.md"]
    assert "No teacher is configured" in papers["generation_prompt.md"]


def test_no_row_of_the_data_stands_in_them(given: Inputs, papers: dict[str, str]) -> None:
    assert not any("For 2 at 7pm" in text or "row 3" in text for text in papers.values())


def test_gates_that_the_task_chose_are_marked(tmp_path: Path, given: Inputs) -> None:
    text = MINIMAL + f"data: {{sources: [{{path: data/raw/rows.jsonl}}], gates: {{near: warn}}}}\n{GENERATE}"
    found = written(tmp_path / "p", given, settings(text))
    assert (
        "| near | no two rows to train on are nearly the same | warn (this task's choice) |"
        in found["quality_gates.md"]
    )
    assert "| boundary | 7 | medium | a table for none |" in found["generation_prompt.md"]


def test_what_a_task_says_makes_no_table_and_leaves_no_fence(tmp_path: Path, given: Inputs) -> None:
    evil: Any = settings().model_copy(
        update={
            "about": settings().about.model_copy(update={"domain": "a | b\n| c |", "language": "<script>"}),
            "prompting": settings().prompting.model_copy(update={"input_template": "````\n# out\n{text}"}),
        }
    )
    page = written(tmp_path / "p", given, evil)["task.md"]
    assert "a \\| b \\| c \\|" in page and "<script>" not in page
    assert "`````text\n````\n# out\n{text}\n`````" in page
