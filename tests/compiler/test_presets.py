"""tunec's own presets: every one can be named."""

from __future__ import annotations

import re

import pytest

from compiler.resolve import preset_of
from compiler.task import Task, keys
from stages.base import At, Stage
from stages.catalog import members
from tests.compiling import MINIMAL, compiled, shipped, workspace

MODELS = sorted(shipped()["base_model"])
TYPES = {
    "classification": "type: label\n  schema: {enum: [a, b]}",
    "policy": "type: label\n  schema: {enum: [a, b]}",
    "extraction": "type: json\n  schema: {people: {type: string}}",
    "structured": "type: json\n  schema: {people: {type: string}}",
    "planning": "type: json\n  schema: {type: array, items: {type: string}}",
    "tool_calling": "type: tool_call\n  schema: {book: {people: {type: integer}}}",
    "rewriting": "type: text",
    "summarization": "type: text",
    "qa": "type: text",
    "generation": "type: text",
}


@pytest.mark.parametrize("name", MODELS)
def test_every_base_model_compiles_without_an_error(name: str) -> None:
    found = compiled(MINIMAL.replace("smollm2-135m", name))
    assert {warning.code for warning in found.warnings} <= {"T160"}  # of models that always think
    assert found.task.base_model.license and found.task.base_model.context_length and found.task.base_model.parameters


@pytest.mark.parametrize("name", MODELS)
def test_a_hub_model_is_pinned_and_found_by_its_id_as_well(name: str) -> None:
    model = compiled(MINIMAL.replace("smollm2-135m", name)).task.base_model
    if model.source != "hub":
        return
    assert model.revision and re.fullmatch("[0-9a-f]{40}", model.revision) and model.chat
    assert preset_of(str(model.repo), workspace()) == name


def test_there_are_presets_of_the_models_that_people_ask_for() -> None:
    assert {"qwen3-0-6b", "qwen3-8b", "llama3-2-1b", "gemma3-1b", "phi4-mini", "smollm3-3b"} <= set(MODELS)
    assert len(MODELS) > 12


@pytest.mark.parametrize("name", sorted(shipped()["task_type"]))
def test_every_task_type_compiles_with_its_own_metrics_and_gates(name: str) -> None:
    text = re.sub(r"output_format:\n(  .*\n)+", f"output_format:\n  {TYPES[name]}\n", MINIMAL)
    found = compiled(text.replace("extraction", name))
    assert found.task.task_type == name and not found.warnings


def test_every_parameter_of_a_stage_comes_from_a_key() -> None:
    """A key or section of the schema, or what the compiler makes of one (the files of a pattern, a schema's order)."""
    paths = set(keys(Task))
    sections = {path.rpartition(".")[0] for path in paths}
    made = {
        "output_format.order",
        "output_format.label",
        "base_model.name",
        "base_model.template_file",
        "data.decisions",
        "data.files",
        "data.general_mix.files",
        "data.shape",
        "baselines.majority",
        "license.data",
        "costing.terms",
        "costing.rates",
        "costing.gate_hour",
        "license.release",
        "evaluation.remembered",
        "swept",
        "brought.metrics",
        "brought.baseline_majority",
    }
    for stage in members("stages", "STAGE", Stage).values():
        read = set(stage.keys(At(baseline="majority")))
        assert read <= paths | sections | made, f"{stage.name}: {read - paths - sections - made}"
