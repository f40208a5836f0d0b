"""What holds for every task, not for an example only."""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from compiler.compile import Compiled
from compiler.emit import GUARD, guard_yaml, params_yaml
from compiler.plan import Instance, Plan
from tests.compiling import ROOT, compiled

ACCEPTED = sorted((ROOT / "tests" / "compiler" / "accepts").iterdir())
SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FULL = """\
task_name: slots
task_type: extraction
system_prompt: Be brief.
input_template: "{text}"
output_format:
  type: json
  schema:
    type: object
    required: [people]
    properties:
      people: {type: string, maxLength: 9}
      date: {type: object, properties: {day: {type: string}, hour: {type: string}}}
data:
  output: answer
  sources:
    - {path: data/raw/rows.jsonl, role: train, map: {text: utterance, answer: slots}}
baselines: {majority: true, rule: {people: a, date: b}}
training: {base_model: smollm2-135m, epochs: 2, lora: {r: 8, alpha: 16}}
evaluation: {confidence: 0.9, metrics: [exact_match]}
success_criteria: {threshold: 0.7, gates: {schema_validity: 0.9, beats_baselines: 0.1}}
"""


# ---------------------------------------------------------------- the same meaning, the same bytes


@SLOW
@given(seed=st.integers(0, 10**6))
def test_neither_key_order_nor_comments_change_a_byte(seed: int) -> None:
    chance = random.Random(seed)
    written = rewritten(yaml.safe_load(FULL), chance)
    assert emitted(compiled(written)) == emitted(compiled(FULL)), written


def test_the_order_of_the_answers_fields_is_part_of_the_meaning_and_dvc_sees_it() -> None:
    other = FULL.replace("{day: {type: string}, hour: {type: string}}", "{hour: {type: string}, day: {type: string}}")
    before, after = (yaml.safe_load(compiled(text).params_yaml)["data"]["making"]["contract"] for text in (FULL, other))
    assert before["schema_"] != after["schema_"], "as DVC compares them"
    assert json.loads(before["schema_"]) == json.loads(after["schema_"])


def rewritten(value: Any, chance: random.Random) -> str:
    """The same task in another layout: keys shuffled, comments and blank lines between them."""
    lines = yaml.safe_dump(shuffled(value, chance), sort_keys=False, default_flow_style=None, width=10**6).splitlines()
    return "".join(
        f"{line}{chance.choice(['', '  # note', '  # {a: b}'])}\n{chance.choice(['', '', '# x: y', ' '])}\n"
        for line in lines
    )


def shuffled(value: Any, chance: random.Random, *, keep: bool = False) -> Any:
    """Mappings in another order, but for a schema's `properties`, whose order says something."""
    if isinstance(value, list):
        return [shuffled(inner, chance) for inner in value]
    if not isinstance(value, dict):
        return value
    items = [(key, shuffled(inner, chance, keep=key == "properties")) for key, inner in value.items()]
    return dict(items if keep else chance.sample(items, len(items)))


def emitted(found: Compiled) -> tuple[str, str]:
    return found.dvc_yaml, found.params_yaml


# ---------------------------------------------------------------- what is written reads back


ODD = (
    "no",
    "0o17",
    "3:30",
    "1e5",
    " x",
    "x ",
    "a\nb",
    "\n a",
    " a\n  b\n",
    "a \nb",
    "- a",
    "#",
    "\t",
    "\x85",
    "\u2028a",
    "{a}",
    "'",
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(ODD)
PLAIN = TEXTS | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)


@pytest.fixture(scope="module")
def data_stage() -> Instance:
    return compiled().plan["data"]


@settings(max_examples=100, deadline=None)
@example(values={"long": "word " * 3_000, "\n" * 3: ["a\r\nb", "\ufeff"]})
@given(values=st.dictionaries(TEXTS, VALUES, max_size=4))
def test_parameters_and_overrides_read_back_as_they_were(data_stage: Instance, values: dict[str, Any]) -> None:
    plan = Plan("task", (replace(data_stage, params={"free": values}),), overrides=tuple(values))
    assert yaml.safe_load(params_yaml(plan)) == {"data": {"free": values}}
    assert yaml.safe_load(guard_yaml(plan))["stages"][GUARD]["meta"]["overrides"] == list(values)


# ---------------------------------------------------------------- the graph


@pytest.fixture(scope="module", params=ACCEPTED, ids=lambda case: case.name)
def graph(request: pytest.FixtureRequest) -> Compiled:
    case = request.param
    files, overrides = (lines(case / name) for name in ("files.txt", "overrides.txt"))
    return compiled((case / "task.yaml").read_text(encoding="utf-8"), *files, overrides=overrides)


def lines(file: Any) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


def test_every_stage_stands_after_what_it_reads(graph: Compiled) -> None:
    written: set[str] = set()
    for instance in graph.plan.instances:
        missing = [path for path in instance.dependencies() if path.startswith("build/") and path not in written]
        assert not missing, f"{instance.name} reads {missing}, which nothing before it writes"
        written |= set(instance.outputs.values())


def test_every_artifact_has_one_producer(graph: Compiled) -> None:
    paths = Counter(path for instance in graph.plan.instances for path in instance.outputs.values())
    assert paths.total() == len(paths)
    folders = [PurePosixPath(path) for path in paths]
    assert not [(a, b) for a in folders for b in folders if a != b and a.is_relative_to(b)], "an output inside another"


def test_every_path_of_the_plan_lies_inside_the_workspace(graph: Compiled) -> None:
    for stage in yaml.safe_load(graph.dvc_yaml)["stages"].values():
        for path in paths_of(stage):
            assert not PurePosixPath(path).is_absolute() and ".." not in PurePosixPath(path).parts and "\\" not in path


def test_nothing_in_the_compiled_files_names_this_machine(graph: Compiled) -> None:
    for text in emitted(graph):
        assert str(ROOT) not in text and str(Path.home()) not in text and tempfile.gettempdir() not in text


def paths_of(stage: dict[str, Any]) -> Iterator[str]:
    yield from stage.get("deps", ())
    for kind in ("outs", "metrics", "plots"):
        for out in stage.get(kind, ()):
            yield from out if isinstance(out, dict) else [out]
