"""What a sweep costs beside its stages: how often each runs, how long the union takes, and compiling a large one.

    python benchmarks/sweep.py [--jobs 2]

Real DVC, compiler, guard and launcher on a workspace of tests/rebuilds/, whose dear stages are stand-ins that take no
time: what is measured is everything else. Ends with 1 when a figure does not hold.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from figures import figure  # noqa: E402

from compiler import compile_task  # noqa: E402
from tests.rebuilds.conftest import Workspace, make  # noqa: E402
from tests.rebuilds.stand_in import RAN  # noqa: E402
from tunec.workspace import Disk  # noqa: E402

MODELS, RANKS, FORMATS = ("models/tiny", "models/other"), (8, 16, 32), ("q8_0", "q5_k_m", "q4_k_m")
SWEEP = (
    f"base_model={','.join(MODELS)}",
    f"training.lora.r={','.join(map(str, RANKS))}",
    f"quantization={','.join(FORMATS)}",
)
CORE = ("data", "splits", "model", "train", "quantize")  # the stages of the union
LARGE = """
sweep:
  training.lora.r: [8, 16, 32, 64, 128]
  training.learning_rate: [1e-4, 2e-4, 5e-4, 1e-3, 2e-3]
  training.epochs: [1, 2, 3, 4, 5]
  quantization: [q8_0, q6_k, q5_k_m, q4_k_m]
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2)
    jobs = parser.parse_args().jobs
    held = [compile_500()]
    with tempfile.TemporaryDirectory() as folder:
        serial = fresh(Path(folder, "serial"))
        serial.compile(*as_override())
        by_dvc = seconds(lambda: serial.dvc("repro"))
        figure("serial_dvc_repro", by_dvc, "s", None)
        union = fresh(Path(folder, "union"))
        by_us = seconds(lambda: union.run("tunec", "sweep", "-m", *SWEEP, "-j", str(jobs)))
        ran = counted(union)
        held += [
            figure("union_core_stages", sum(name.startswith(CORE) for name in ran), "stages", 28),
            figure("most_runs_of_a_stage", max(ran.values()), "runs", 1),
            figure(f"wall_with_{jobs}_jobs_beside_dvc_repro", by_us / by_dvc, "times", 0.8),
        ]
        figure(f"wall_with_{jobs}_jobs", by_us, "s", None)
        held.append(no_op(Path(folder, "wide")))
        naive(Path(folder, "naive"), ran, by_us)
    sys.exit(not all(held))


def compile_500() -> bool:
    """task.yaml with 500 variants (125 trainings, 4 files each) to the text of both files."""
    text = (ROOT / "task.yaml").read_text(encoding="utf-8") + LARGE

    def whole() -> None:
        compiled = compile_task(text, Disk(ROOT))
        assert compiled.dvc_yaml and compiled.params_yaml

    whole()
    return figure("compile_500_variants", statistics.median(seconds(whole) for _ in range(3)), "s", 3)


def no_op(folder: Path) -> bool:
    """A union of some 200 stages in which nothing is to be done, asked for as a build and through Hydra."""
    workspace = fresh(folder)
    block = f"sweep={{training.lora.r: {list(range(1, 25))}, quantization: [q8_0, q4_k_m]}}"
    build = ("build", "report", "package", block, "-j", "2")  # with targets, for stand-ins write no table to end with
    workspace.run("tunec", *build)
    figure("wide_union", len(counted(workspace)), "stages", None)
    sweep = ("sweep", "-m", "training.lora.r=range(1,25)", "quantization=q8_0,q4_k_m", "-j", "2")
    by_hydra, took = (
        statistics.median(seconds(lambda words=words: workspace.run("tunec", *words)) for _ in range(3))
        for words in (sweep, build)
    )
    assert not counted(workspace)
    figure("no_op_of_a_wide_union_through_hydra", by_hydra, "s", None)
    return figure("no_op_of_a_wide_union", took, "s", 6)


def naive(folder: Path, union: Counter[str], by_us: float) -> None:
    """Each variant a workspace and a whole build of its own: one is built, the others are as many times that."""
    workspace = fresh(folder)
    workspace.compile("quantization.formats=[q8_0]")
    one = seconds(lambda: workspace.dvc("repro"))
    many = len(MODELS) * len(RANKS) * len(FORMATS)
    figure("naive_stage_executions", many * len(counted(workspace)), "stages", None)
    figure("union_stage_executions", sum(union.values()), "stages", None)
    figure("naive_wall", many * one, "s", None)
    figure("naive_beside_union", many * one / by_us, "times", None)


def fresh(folder: Path) -> Workspace:
    workspace = make(folder)
    workspace.write("models/other/config.json", "{}\n")
    workspace.write("models/other/model.safetensors", "other weights\n")
    return workspace


def as_override() -> list[str]:
    models, formats = ", ".join(MODELS), ", ".join(FORMATS)
    return [f"sweep={{base_model: [{models}], training.lora.r: {list(RANKS)}, quantization: [{formats}]}}"]


def counted(workspace: Workspace) -> Counter[str]:
    ran = workspace.root / RAN
    names = ran.read_text(encoding="utf-8").split() if ran.is_file() else []
    ran.unlink(missing_ok=True)
    return Counter(names)


def seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
