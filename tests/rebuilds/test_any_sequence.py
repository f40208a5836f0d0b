"""After any edits in any order, building on is the same as building from nothing. A build system's one law.

Source: Mokhov, Mitchell and Peyton Jones 2018, Build Systems a la Carte (section 2.3: what a correct build is).

A longer run by hand: TUNEC_SEQUENCES=40 pytest tests/rebuilds/test_any_sequence.py
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.rebuilds.conftest import Workspace, rows

pytestmark = pytest.mark.slow

SEQUENCES = int(os.environ.get("TUNEC_SEQUENCES", "2"))
LONGEST = 4  # edits, each of which may be built before the next
Edit = Callable[[Workspace], None]


def key(path: str, value: Any) -> Edit:
    """Sets a key of task.yaml, which loses its comments and its style by that."""

    def edit(w: Workspace) -> None:
        task = section = yaml.safe_load((w.root / "task.yaml").read_text(encoding="utf-8"))
        *above, last = path.split(".")
        for name in above:
            section = section[name]
        section[last] = value
        w.write("task.yaml", yaml.safe_dump(task, sort_keys=False))

    return edit


def source(*numbers: int) -> Edit:
    """These rows and no others, in this order."""
    lines = [json.dumps(next(rows(1, first=n))) + "\n" for n in numbers]
    return lambda w: w.write("data/raw/rows.jsonl", "".join(lines))


def code(file: str, pattern: str, text: str) -> Edit:
    def edit(w: Workspace) -> None:
        path = w.house / file
        path.write_text(re.sub(pattern, text, path.read_text(encoding="utf-8"), count=1), encoding="utf-8")

    return edit


def lose(path: str) -> Edit:
    """Takes an output away, whatever it is."""

    def edit(w: Workspace) -> None:
        if (w.root / path).is_dir():
            shutil.rmtree(w.root / path)
        else:
            (w.root / path).unlink(missing_ok=True)

    return edit


RATIOS = {"train": 0.6, "dev": 0.2, "test": 0.2}
EDITS: dict[str, Edit] = {
    f"{path} {value!r}": key(path, value)
    for path, values in {
        "task_name": ["tiny-slots", "other-slots"],
        "goal": ["A task for tests.", "Another."],
        "system_prompt": ["Read the slots.", "Find them."],
        "input_template": ["{text}", "Said: {text}"],
        "output_format.schema.properties": [
            {"people": {"type": "string"}, "time": {"type": "string"}},
            {"time": {"type": "string"}, "people": {"type": "string"}},
            {"people": {"type": "string", "maxLength": 9}, "time": {"type": "string"}},
        ],
        "splits": [{"ratios": RATIOS}, {"ratios": {**RATIOS, "train": 0.5, "dev": 0.3}}, {"ratios": RATIOS, "seed": 5}],
        "baselines.base": [True, False],
        "baselines.rule": [False, {"people": "\\d"}, {"time": "\\d"}],
        "training.prompt": ["system", "none", "contract"],
        "training.epochs": [1.0, 2.0],
        "training.lora": [{"r": 16, "alpha": 32}, {"r": 8, "alpha": 32}],
        "quantization.formats": [["q8_0"], ["q8_0", "q4_0"], ["q4_0"], []],
        "evaluation.resamples": [100, 200],
        "evaluation.max_new_tokens": [8, 9],
        "success_criteria.threshold": [0.5, 0.6],
    }.items()
    for value in values
} | {
    "thirty rows": source(*range(30)),
    "thirty rows from the end": source(*reversed(range(30))),
    "thirty rows and two of them again": source(*range(30), 3, 7),
    "twenty-nine rows": source(*range(1, 30)),
    "thirty-two rows": source(*range(32)),
    "more weight decay": lambda w: w.write("conf/method/sft.yaml", "training: {weight_decay: 0.1}\n"),
    "a preset that says nothing": lambda w: w.write("conf/method/sft.yaml", "training: {}\n"),
    "other code of train": code("stages/train.py", r"CURVE_POINTS = \d+", "CURVE_POINTS = 100"),
    "the old code of train": code("stages/train.py", r"CURVE_POINTS = \d+", "CURVE_POINTS = 200"),
    "a longer metric": code("stages/metrics/slot_f1.py", r"\Z", "\nMORE = 1\n"),
    "trl 98": lambda w: w.upgrade("trl", "98"),
    "trl 99": lambda w: w.upgrade("trl", "99"),
    "matplotlib 99": lambda w: w.upgrade("matplotlib", "99"),
    "other weights of the base model": lambda w: w.write("models/tiny/model.safetensors", "other\n"),
    "the old weights of the base model": lambda w: w.write("models/tiny/model.safetensors", "weights\n"),
    "no adapter": lose("build/train-tiny-r16/adapter"),
    "no predictions": lose("build/test/chosen.jsonl"),
    "no fingerprints": lose("build/guard"),
    "nothing built": lose("build"),
}
Steps = list[tuple[str, bool]]


@settings(
    max_examples=SEQUENCES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(st.tuples(st.sampled_from(sorted(EDITS)), st.booleans()), min_size=2, max_size=LONGEST))
def test_building_on_is_building_from_nothing(built: Workspace, steps: Steps) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = built.copy(Path(folder))
        for name, build in steps:
            EDITS[name](workspace)
            if build:
                workspace.compile()
                workspace.repro()
        workspace.compile()
        workspace.repro()
        clean = workspace.anew(Path(folder))
        clean.compile()
        clean.repro()
        assert contents(workspace) == contents(clean)


def contents(workspace: Workspace) -> dict[str, bytes]:
    """Every file below build/ but logs, and but what instances have left that are no part of the graph any more."""
    build = workspace.root / "build"
    graph = yaml.safe_load((workspace.root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    homes = [build / name for name in graph]
    files = [file for home in homes for file in home.rglob("*") if file.is_file()]
    return {file.relative_to(build).as_posix(): file.read_bytes() for file in sorted(files)}
