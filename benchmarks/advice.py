"""What the coach and the advice are worth: forty interviews, learning curves against what came later, time, resources.

    .venv/bin/python benchmarks/advice.py [DATA]            # coach, advise on 10,000 rows, learning curves
    .venv/bin/python benchmarks/advice.py --training DIR    # a built workspace: what was foretold of its training

DATA: a folder with banking77, cofacts_reply_type_zhtw, restaurant8k_slots and wnut17_ner as JSONL; without it,
../shared/data. Of each, a part is kept aside; the curve is measured on n of the other rows, and 2n of them are learnt
from later and asked the rows that were kept aside. The
constants of tunec/advising/curve.py were set before any of this was measured.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from figures import figure  # noqa: E402

CASES = ROOT / "tests" / "coaching" / "cases"
# Data -> the answer's column, sizes to begin with, rows that are kept aside, metric.
CURVES: dict[str, tuple[str, tuple[int, ...], int, str | None]] = {
    "cofacts_reply_type_zhtw": ("label", (350, 700, 1_400), 800, "macro_f1"),
    "wnut17_ner": ("entities", (500, 1_000, 2_000), 1_200, None),
    "restaurant8k_slots": ("output", (600, 1_200, 2_500), 1_500, None),
    "banking77": ("label", (700, 1_400, 2_800), 1_500, "accuracy"),
}
SEEDS = (0, 1)
TASK = """\
task_name: intents
task_type: classification
language: en
input_template: "{text}"
output_format: {type: label, schema: {enum: LABELS}}
training: {base_model: smollm2-135m}
success_criteria: {threshold: 0.7}
"""


def main() -> None:
    if sys.argv[1:2] == ["--training"]:
        training(Path(sys.argv[2]))
        return
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data"
    interviews()
    quick(data)
    curves(data)


# ---------------------------------------------------------------- the coach


def interviews() -> None:
    """Every case's task.yaml passes `tunec check`, and its contradictions are named."""
    import yaml

    passed = named = 0
    for case in sorted(CASES.iterdir()):
        with tempfile.TemporaryDirectory() as folder:
            passed += held(case, Path(folder))
            told = yaml.safe_load((Path(folder) / "task_summary.yaml").read_text(encoding="utf-8"))["task_summary"]
            wanted = yaml.safe_load((case / "expected.yaml").read_text(encoding="utf-8"))["contradictions"]
            named += len(told.get("contradictions", [])) == len(wanted)
    figure("tasks_of_40_interviews_that_fail_check", 40 - passed, "tasks", 0)
    figure("interviews_whose_contradictions_are_not_all_named", 40 - named, "interviews", 0)


def held(case: Path, folder: Path) -> bool:
    words = ["coach", "--answers", str(case / "answers.yaml")]
    if (case / "rows.jsonl").is_file():
        (folder / "data" / "raw").mkdir(parents=True)
        shutil.copy(case / "rows.jsonl", folder / "data" / "raw")
        words.insert(1, "data/raw/rows.jsonl")
    return tunec(folder, *words)[0] == 0 and tunec(folder, "check")[0] == 0


def tunec(folder: Path, *words: str) -> tuple[int, str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tunec", *words]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout


# ---------------------------------------------------------------- advise


def quick(data: Path) -> None:
    """`tunec advise` on 10,000 rows, started anew: the best of three."""
    lines = (data / "banking77.jsonl").read_text(encoding="utf-8").splitlines()[:10_000]
    labels = sorted({json.loads(line)["label"] for line in lines})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data" / "raw").mkdir(parents=True)
        (folder / "data" / "raw" / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / "task.yaml").write_text(TASK.replace("LABELS", json.dumps(labels)), encoding="utf-8")
        times = []
        for _ in range(3):
            began = time.monotonic()
            code, _ = tunec(folder, "advise")
            assert code == 0
            times.append(time.monotonic() - began)
    figure("advise_on_10,000_rows", min(times), "s", 2.0)


# ---------------------------------------------------------------- learning curves


def curves(data: Path) -> None:
    found = [one for seed in SEEDS for name in CURVES for one in later(data, name, seed)]
    held = sum(one["low"] <= one["later"] <= one["high"] for one in found) / len(found)
    error = sum(abs(one["foretold"] - one["later"]) for one in found) / len(found)
    figure("learning_curves", len(found), "cases", None)
    figure("share_of_80%_intervals_without_the_later_value", 1 - held, "of cases", 0.30)
    figure("share_of_80%_intervals_with_the_later_value", held, "of cases", 0.95)
    figure("mean_error_at_twice_the_rows", 100 * error, "points", 4.0)


def later(data: Path, name: str, seed: int) -> Sequence[dict[str, Any]]:
    """For each size: what the curve says of twice the rows, and what they came to."""
    from tunec.advising.curve import measure
    from tunec.advising.learners import labels, spans

    column, sizes, aside, metric = CURVES[name]
    rows = [json.loads(line) for line in (data / f"{name}.jsonl").open(encoding="utf-8")]
    Random(f"{name}{seed}").shuffle(rows)  # noqa: S311 - a draw, no secret
    asked, pool = rows[:aside], rows[aside:]

    def learnt(known: Sequence[Any], unknown: Sequence[Any]) -> tuple[float, int]:
        parts = [[row[key] for row in part] for part in (known, unknown) for key in ("text", column)]
        return labels(*parts, metric) if metric else spans(*parts)

    told = []
    for size in sizes:
        part = pool[:size]
        curve = measure(size, lambda known, held, part=part: learnt([part[i] for i in known], [part[i] for i in held]))
        value, decisions = learnt(pool[: 2 * size], asked)
        expected = curve.at(2 * size, decisions)
        one = {"foretold": expected.value, "low": expected.low, "high": expected.high, "later": value}
        print(json.dumps({"data": name, "rows": size, "seed": seed, **{k: round(v, 3) for k, v in one.items()}}))
        told.append(one)
    return told


# ---------------------------------------------------------------- what a training takes


def training(folder: Path) -> None:
    """Of a workspace whose training ran: what a few tried steps foretell, against what it took."""
    from stages import history
    from tunec.advising.calibrating import calibrated
    from tunec.compiling import compile_workspace

    with contextlib.chdir(folder), contextlib.redirect_stderr(io.StringIO()):
        instance = next(one for one in compile_workspace(Path(), []).plan.instances if one.stage.name == "train")
        took = history.recall(Path(), instance.name).runs[-1]
        tried = calibrated(Path(), instance)
    assert not isinstance(tried, str), tried
    print(json.dumps({"took": vars(took), "foretold": vars(tried)}))
    figure("error_of_the_foretold_time", abs(tried.seconds / took.seconds - 1), "of it", 0.25)
    if took.memory:
        figure("error_of_the_foretold_memory", abs(tried.memory / took.memory - 1), "of it", 0.20)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
