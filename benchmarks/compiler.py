"""How quick the compiler is: a check beside the imports that it can hardly do without, and a large union of variants.

    python benchmarks/compiler.py [--runs 15]

Processes alternate, so that a machine that slows down slows both; figures are medians. Python may keep its compiled
modules, as it does for an installed tunec. Ends with 1 when a figure does not hold.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from figures import figure  # noqa: E402

from compiler import compile_task  # noqa: E402
from tunec.workspace import Disk  # noqa: E402

IMPORTS = "import pydantic, omegaconf, yaml"
HEAVY = {"torch", "transformers", "dvc", "datasets"}
STAGES = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    held = [check_beside_imports(runs), check_loads_nothing_heavy(), union_beside_example(runs)]
    sys.exit(not all(held))


def check_beside_imports(runs: int) -> bool:
    """`tunec check` in the root, against a bare interpreter that imports three libraries."""
    tunec = [str(Path(sys.executable).with_name("tunec")), "check"]
    checks, imports = medians(runs, lambda: process(tunec), lambda: process([sys.executable, "-c", IMPORTS]))
    figure("check_wall", checks, "s", None)
    figure("imports_wall", imports, "s", None)
    return figure("check_beside_imports", checks / imports, "times", 1.5)


def check_loads_nothing_heavy() -> bool:
    code = "import sys\nfrom tunec.start import main\ntry: main()\nexcept SystemExit: print(*sys.modules, sep='\\n')"
    said = subprocess.run([sys.executable, "-c", code, "check"], cwd=ROOT, env=env(), capture_output=True, check=True)
    loaded = {name.partition(".")[0] for name in said.stdout.decode().splitlines()}
    assert "compiler" in loaded
    return figure("check_heavy_imports", len(loaded & HEAVY), "libraries", 0)


def union_beside_example(runs: int) -> bool:
    """task.yaml to the text of both files: of the example, and of a sweep of it with some 200 stages."""
    example = (ROOT / "task.yaml").read_text(encoding="utf-8")
    union = f"{example}\nsweep:\n  training.lora.r: {list(range(1, variants(example) + 1))}\n"
    figure("union_stages", stages(union), "stages", None)
    wide, plain = medians(runs, lambda: seconds(lambda: stages(union)), lambda: seconds(lambda: stages(example)))
    figure("compile_example", plain, "s", None)
    return figure("compile_union_more", wide - plain, "s", 1)


def variants(example: str) -> int:
    """How many ranks make a union of at least STAGES stages."""
    one, two = (stages(f"{example}\nsweep:\n  training.lora.r: {ranks}\n") for ranks in ([1], [1, 2]))
    return 1 - (one - STAGES) // (two - one)


def stages(text: str) -> int:
    compiled = compile_task(text, Disk(ROOT))
    assert compiled.dvc_yaml and compiled.params_yaml
    return len(compiled.plan.instances)


def medians(runs: int, *timed: Callable[[], float]) -> list[float]:
    """The median of what each gives; they take turns, and the first turn of each does not count."""
    rounds = [[one() for one in timed] for _ in range(runs + 1)][1:]
    return [statistics.median(found) for found in zip(*rounds, strict=True)]


def process(command: list[str]) -> float:
    return seconds(lambda: subprocess.run(command, cwd=ROOT, env=env(), stdout=subprocess.DEVNULL, check=True))


def env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""}


def seconds(work: Callable[[], object]) -> float:
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
