"""task.yaml edited in place: the value and nothing else."""

from __future__ import annotations

import pytest

from compiler.parse import parse
from tunec.rewriting import with_values, without

TASK = """\
# The task.
task_name: slots # its name

training: # how
  base_model: smollm2-135m
  lora: {r: 16, alpha: 32} # small
  epochs: 1

quantization:
  # smaller and smaller
  formats: # three
    # the first
    - q8_0 # one
    - q5_k_m
  max_drop: 0.02
sweep: # later
  training.lora.r: [8, 16] # two

# the end
evaluation:
  max_new_tokens: 48
"""


@pytest.mark.parametrize(
    ("values", "before", "after"),
    [
        ({"training.epochs": 2}, "  epochs: 1\n", "  epochs: 2\n"),
        ({"training.lora.r": 8}, "{r: 16, alpha: 32} # small", "{r: 8, alpha: 32} # small"),
        ({"training.lora.dropout": 0.1}, "alpha: 32} # small", "alpha: 32, dropout: 0.1} # small"),
        ({"training.learning_rate": 2e-4}, "  epochs: 1\n", "  epochs: 1\n  learning_rate: 2e-4\n"),
        ({"splits.ratios.dev": 0.2}, "  max_new_tokens: 48\n", "  max_new_tokens: 48\nsplits: {ratios: {dev: 0.2}}\n"),
        ({"training.base_model": "a, b: c"}, "smollm2-135m", "'a, b: c'"),
        (
            {"quantization.formats": ["q4_k_m"]},
            "  formats: # three\n    # the first\n    - q8_0 # one\n    - q5_k_m\n",
            "  formats: [q4_k_m] # three\n    # the first\n",
        ),
    ],
)
def test_a_value_is_set_and_every_comment_stays(values: dict[str, object], before: str, after: str) -> None:
    assert TASK.count(before) == 1
    found = with_values(TASK, values)
    assert found == TASK.replace(before, after)
    for key, value in values.items():
        node = parse(found, "task.yaml").get(key)
        assert node is not None and node.plain() == value


def test_a_section_is_taken_out_and_what_stands_around_it_stays() -> None:
    cut = "sweep: # later\n  training.lora.r: [8, 16] # two\n"
    assert without(TASK, "sweep") == TASK.replace(cut, "")
    assert without(TASK, "nothing") == TASK


def test_a_file_without_a_last_line_break_is_added_to() -> None:
    assert with_values("a: 1", {"b": 2}) == "a: 1\nb: 2\n"
    assert with_values("a: {}\n", {"a.b": [1, "x"]}) == "a: {b: [1, x]}\n"
