"""Spoilt task files: a few hundred of what benchmarks/fuzz.py makes tens of thousands of."""

from __future__ import annotations

import time

import pytest
import yaml

from compiler.workspace import Preset
from tests.compiling import MINIMAL, ROWS, compiled, refused, shipped, workspace
from tests.mutating import FILES, NODE_EDITS, Case, Fuzzed, case, outcome, schema_keys, texts


@pytest.mark.parametrize("seed", range(300))
def test_a_spoilt_task_gives_a_plan_or_diagnostics_and_nothing_else(seed: int) -> None:
    given = case(seed)
    began = time.process_time()
    outcome(given)
    assert time.process_time() - began < 2


def test_a_case_is_the_same_every_time() -> None:
    assert case(7) == case(7) != case(8)


def test_the_cases_reach_plans_and_many_kinds_of_mistakes() -> None:
    ends = [outcome(case(seed)) for seed in range(300)]
    assert ends.count(None) >= 15 and len(set(ends)) >= 20


def test_the_fuzz_knows_every_key_and_starts_from_real_files() -> None:
    assert {"training.lora.r", "data.sources.path", "output_format"} <= {path for path, _ in schema_keys()}
    good, bad = texts()
    assert len(good) >= 10 and len(bad) >= 50 and len(NODE_EDITS) >= 10


# ---------------------------------------------------------------- what it found


@pytest.mark.parametrize("value", ["3", "0.5", "true", "[[]]", "{a: 1}"])
def test_labels_of_any_kind_are_told(value: str) -> None:
    text = f"output_format: {{type: label, schema: {{enum: {value}}}}}\nbaselines: {{rule: {{a: b}}}}\n"
    assert "T110" in {found.code for found in refused(f"{without('output_format')}{text}")}


def test_a_preset_that_takes_the_method_away_is_told() -> None:
    own = {"method": {"sft": Preset("conf/method/sft.yaml", "training: 5\n")}}
    assert outcome(Case(MINIMAL, [], Fuzzed(FILES, shipped(), own=own))) == "T012"


@pytest.mark.parametrize(
    "template",
    [
        "{{ " + "(" * 2_000,
        "{{ a" + ".b" * 2_000 + " }}",
        "{% if a %}" * 200 + "{% endif %}" * 200,
        "{% if a %}{% elif b %}" + "{% elif b %}" * 3_000 + "{% endif %}",
        "{{ a }}" * 30_000,
        "{{ [" + "1," * 24_000 + "] }}",
        "{{ " + "9" * 5_000 + " }}",
        "{{ a is nope }}",
        "{% for loop in a %}{% endfor %}",
    ],
)
def test_a_template_that_would_stop_the_compiler_is_refused(template: str) -> None:
    began = time.process_time()
    found = refused(yaml.safe_dump({**yaml.safe_load(MINIMAL), "input_template": template}))
    assert {one.code for one in found} == {"T108"}
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "pattern", ["(" * 500 + ")" * 500, "a{99999999999}", "[a]" * 400, "(", "(?i)[\x01-\U0010ffff]" * 60]
)
def test_a_pattern_that_would_stop_the_compiler_is_refused(pattern: str) -> None:
    for spoilt, code in (
        ({"baselines": {"rule": {"people": pattern}}}, "T165"),
        ({"output_format": {"type": "json", "schema": {"people": {"type": "string", "pattern": pattern}}}}, "T110"),
        ({"output_format": {"type": "json", "schema": {"type": "object", "patternProperties": {pattern: {}}}}}, "T110"),
    ):
        assert code in {one.code for one in refused(yaml.safe_dump({**yaml.safe_load(MINIMAL), **spoilt}))}


def test_a_sweep_reads_each_preset_once() -> None:
    began = time.process_time()
    assert len(compiled(f"{MINIMAL}sweep: {{training.lora.r: {list(range(1, 51))}}}\n").variants) == 50
    assert time.process_time() - began < 2


def without(key: str) -> str:
    return yaml.safe_dump({name: value for name, value in yaml.safe_load(MINIMAL).items() if name != key})


def test_a_file_that_a_pattern_finds_twice_is_no_trouble() -> None:
    assert workspace(ROWS).glob("data/**") == workspace(ROWS).glob("data/*")
