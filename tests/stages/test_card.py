"""The model card: metadata that the Hub's own library reads, and sections filled from the build's reports."""

from __future__ import annotations

from typing import Any

import pytest
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import EvalResult

from stages.card import About, Licensed, card, evaluation
from stages.contract import Contract

JSON = Contract(type="json", schema_={"type": "object"})
FIGURE = {"value": 0.83, "low": 0.81, "high": 0.85, "bound": 0.82}
GATES = [{"gate": "threshold", "status": "pass", "figure": 0.83, "bound": 0.75, "reason": "slot_f1 is 0.830"}]
CLUSTERS = [
    {"kind": "refusal", "what": "", "terms": ["evening"], "rows": 4},
    {"kind": "wrong value", "what": "time", "terms": ["midnight"], "rows": 3},
    {"kind": "wrong value", "what": "time", "terms": ["noon"], "rows": 2},
]
HOSTILE = "x\n---\nlicense: mit\n---\n# {{ 7 * 7 }} <script>alert(1)</script>"


def about(**changes: Any) -> About:
    given = {"task_name": "slots", "version": "v1", "task_type": "extraction", "domain": "travel", "language": "en"}
    given |= {"goal": "Name the slots.", "non_goals": "Dates are kept as they are.", "method": "sft", "adapter": "lora"}
    return About(**{**given, **changes})  # type: ignore[arg-type]


def reports(**changes: Any) -> dict[str, Any]:
    systems = {"prompted": {"slot_f1": FIGURE}, "q8_0": {"slot_f1": FIGURE, "exact_match": FIGURE}}
    given = {
        "model": {"model": {"name": "smollm2", "source": "hub", "repo": "a/b", "revision": "0" * 40, "license": "mit"}},
        "choice": {"candidate": "q8_0"},
        "reason": {"reason": "the smallest file"},
        "scores": {"rows": 125, "chosen": "q8_0", "systems": systems, "beside": {}},
        "verdict": {"verdict": "ship", "gates": GATES},
        "splits": {"train": 753, "dev": 102, "test": 125},
        "speed": {"chosen": {"latency_p50": 0.2}},
        "clusters": CLUSTERS,
        "bytes": 145_000_000,
        "digest": "c" * 64,
    }
    return {**given, **changes}


def written(given: About | None = None, **changes: Any) -> str:
    return "\n".join(card(given or about(), JSON, "slot_f1", reports(**changes))) + "\n"


def test_limitations_are_told_by_kind_and_hold_no_word_of_a_test_row() -> None:
    text = written()
    assert "- 5 of 125 test rows: wrong value, time\n- 4 of 125 test rows: refusal\n" in text
    assert not any(term in text for item in CLUSTERS for term in item["terms"])  # type: ignore[attr-defined]


def test_a_card_says_whether_answers_were_timed() -> None:
    assert "- Latency and memory were measured as served" in written()
    assert "- How long one answer takes was not measured (`evaluation.latency`)." in written(speed={"chosen": {}})


def test_the_hubs_library_reads_the_metadata() -> None:
    data = ModelCard(written()).data
    assert (data.license, data.language, data.base_model, data.library_name) == ("mit", ["en"], "a/b", "gguf")
    assert data.pipeline_tag == "text-generation" and data.tags == ["tunec", "extraction", "travel"]
    (result,) = data.eval_results
    assert isinstance(result, EvalResult)
    assert (result.metric_type, result.metric_value, result.dataset_type) == ("slot_f1", 0.83, "slots")
    assert data.model_name == "slots"


def test_what_was_read_is_what_would_be_written_again() -> None:
    text = ModelCard(written()).data.to_yaml()
    assert ModelCard(f"---\n{text}\n---\n").data.to_dict() == ModelCard(written()).data.to_dict()


@pytest.mark.parametrize(("language", "listed", "whole"), [("zh-TW", ["zh"], ["zh-TW"]), ("de", ["de"], None)])
def test_a_language_with_a_region_stands_whole_beside_the_one_that_the_hub_lists(
    language: str, listed: list[str], whole: list[str] | None
) -> None:
    data = ModelCard(written(about(language=language))).data
    assert data.language == listed and data.get("language_bcp47") == whole


def test_the_licence_is_the_releases_where_it_is_another_than_the_base_models() -> None:
    assert ModelCard(written(about(license="cc-by-4.0"))).data.license == "cc-by-4.0"
    unknown = {"model": {"name": "own", "source": "gguf", "path": "own.gguf"}}
    assert ModelCard(written(model=unknown)).data.license == "other"


def test_no_text_of_the_task_gets_into_the_metadata() -> None:
    hostile = about(goal=HOSTILE, non_goals=HOSTILE, domain=HOSTILE, version=HOSTILE)
    data = ModelCard(written(hostile)).data
    assert data.license == "mit" and data.tags == ["tunec", "extraction", HOSTILE]


def test_labels_that_were_scored_are_said_to_be_so_where_another_runtime_writes_them() -> None:
    told = "All figures are of the likeliest label"
    assert told in written(scores={**reports()["scores"], "by_likelihood": True}) and told not in written()


def test_every_section_is_filled_from_the_reports() -> None:
    text = written(about(data_licenses=(Licensed(path="data/raw/a.jsonl", license="cc-by-4.0"),)))
    for line in (
        "# slots",
        "## Not for",
        "- Base model: smollm2 (a/b@" + "0" * 40 + ", licence mit)",
        "- Training: sft, lora",
        "753 rows to train on, 102 to choose by, 125 to decide by.",
        f"Their version is sha256 `{'c' * 64}`.",
        "- `data/raw/a.jsonl`: licence cc-by-4.0",
        "| q8_0 (chosen) | 0.830 | 0.810 to 0.850 |",
        "- Refusals: 4 of 125 test rows got one in the place of their answer.",
        "- 5 of 125 test rows: wrong value, time",
        "- Runtime: llama.cpp or Ollama; q8_0, 145 MB",
        "**ship**",
        "- threshold: pass; slot_f1 is 0.830",
        "ollama create slots -f Modelfile",
    ):
        assert line in text.splitlines(), line


@pytest.mark.parametrize(
    ("accepted", "general", "told"),
    [
        ({}, 0, "none of the 753 rows that it was trained on was written by a teacher in this build."),
        (
            {"boundary": 100, "negative": 20},
            0,
            "of the 873 rows that it was trained on a teacher wrote 120 (13.7%) whole.",
        ),
        (
            {"boundary": 100, "labelled": 40, "repaired": 7},
            100,
            "of the 1,000 rows that it was trained on a teacher wrote 100 (10.0%) whole and 47 (4.7%) "
            "in their answers.",
        ),
        (
            {"boundary": 5, "paired": 50},
            0,
            "of the 50 rows that it was trained on a teacher wrote 50 (100.0%) in their answers.",
        ),
    ],
    ids=["none", "rows", "answers and general rows", "pairs"],
)
def test_the_share_of_synthetic_rows_is_told(accepted: dict[str, int], general: int, told: str) -> None:
    kinds = [{"tag": tag, "asked": many + 3, "accepted": many} for tag, many in accepted.items()]
    made = {"augmented": {"kinds": kinds}} if accepted else {}
    assert f"Synthetic: {told}" in written(**made, mixed={"general_rows": general}).splitlines()


def test_adversarial_rows_are_told_of_in_safety() -> None:
    scores = reports()["scores"] | {"beside": {"adversarial": {"rows": 20, "wrong": ["a", "b"]}}}
    assert "- 20 adversarial rows were asked; 2 got a wrong answer." in written(scores=scores)


def test_hostile_inputs_are_told_of_in_safety_with_their_intervals() -> None:
    attacks = {"rows": 45, "figures": {"attack_success": {"value": 0.2, "low": 0.1, "high": 0.35, "rows": 30}}}
    text = written(scores=reports()["scores"] | {"attacks": attacks})
    told = "6 of 30 got the answer that they demand (10.0% to 35.0%)"
    assert f"- 45 hostile inputs were made of test rows: {told}." in text
    assert "nothing is known of hostile inputs" not in text


def test_the_evaluation_has_every_metric_of_every_system() -> None:
    lines = list(evaluation("slot_f1", reports()))
    assert "| system | slot_f1 | exact_match |" in lines
    assert "| prompted | 0.830 (0.810 to 0.850) | – |" in lines
    assert "| threshold | pass | 0.830 | 0.75 | slot_f1 is 0.830 |" in lines
