"""What `tunec plan` and `tunec build` take beside DVC, in a built workspace where nothing is to be done.

    .venv/bin/python benchmarks/plan.py

The workspace is that of tests/builds: 17 stages on a tiny random model. Each command and the one of DVC that it stands
beside run in turn, several times, and the medians are compared. On a machine that is busy with other things ours is at
a disadvantage: it gains by working while DVC does.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
TIMES = 7
TUNEC, DVC = [sys.executable, "-m", "tunec"], [sys.executable, "-m", "dvc"]


def main() -> None:
    from tests.builds.conftest import make

    with tempfile.TemporaryDirectory() as folder:
        workspace = make(Path(folder) / "workspace").root
        run([*TUNEC, "build"], workspace)
        run([*TUNEC, "build"], workspace)  # what the first one leaves for later is done here
        compare("plan_per_status", [*TUNEC, "plan"], [*DVC, "status"], 1.3, workspace)
        compare("build_nothing_to_do_per_repro", [*TUNEC, "build"], [*DVC, "repro"], 1.2, workspace)


def compare(name: str, ours: list[str], theirs: list[str], bound: float, workspace: Path) -> None:
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(TIMES):
        seconds["ours"].append(run(ours, workspace))
        seconds["theirs"].append(run(theirs, workspace))
    medians = {who: statistics.median(times) for who, times in seconds.items()}
    figure(f"{name}_ours", medians["ours"], "s", None)
    figure(f"{name}_dvc", medians["theirs"], "s", None)
    figure(name, medians["ours"] / medians["theirs"], "times", bound)


def run(command: list[str], workspace: Path) -> float:
    """Wall seconds. A failed gate is no failure here: random weights reach no threshold."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"}
    began = time.perf_counter()
    done = subprocess.run(command, cwd=workspace, env=environ, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 2):
        sys.exit(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return time.perf_counter() - began


def figure(name: str, value: float, unit: str, bound: float | None) -> None:
    """bound: the most that is allowed; None for what is only told."""
    holds = None if bound is None else value <= bound
    print(json.dumps({"figure": name, "value": round(value, 2), "unit": unit, "bound": bound, "holds": holds}))


if __name__ == "__main__":
    main()
