"""The example's build: wall time, memory, what is not model work, and a build with nothing to do.

    .venv/bin/python benchmarks/build.py

Builds the root task in a copy of this checkout, from nothing, on as many idle cores as there are. Model work is the
time inside the stages; the imports of torch, transformers, TRL and PEFT, timed apart in this run, are taken off it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
CARRIED = ("task.yaml", "data", "conf", ".dvc/config", ".dvcignore")
IMPORTS = {
    "train": "import torch, transformers, datasets, peft, trl",
    "export": "import torch, transformers",
    "predict-tuned": "import torch, transformers",
    "test": "import torch, transformers, llama_cpp",
    "model": "import torch, transformers",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = copy(Path(folder) / "workspace")
        speed = sgemm()
        seconds, peak = build(workspace)
        speed = (speed + sgemm()) / 2
        inside = model_work(workspace)
        again, _ = build(workspace)
    figure("machine_sgemm", speed, "GFLOPS", None)
    figure("build_wall", seconds, "s", 600)
    figure("build_peak_memory", peak / 1e9, "GB", 6)
    figure("build_outside_model_work", 100 * (seconds - inside) / seconds, "%", 20)
    figure("build_nothing_to_do", again, "s", 8)


def copy(workspace: Path) -> Path:
    for name in CARRIED:
        source, target = ROOT / name, workspace / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)
    subprocess.run(["git", "init", "--quiet"], cwd=workspace, check=True)
    (workspace / ".gitignore").write_text("/build/\n")
    return workspace


def build(workspace: Path) -> tuple[float, int]:
    """Wall seconds, and the most bytes that the process and its children held at once."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    began = time.monotonic()
    process = psutil.Popen(["tunec", "build"], cwd=workspace, env={**os.environ, "PATH": path})
    peak = 0
    stop = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not stop.wait(0.2):
            peak = max(peak, held(process))

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    stop.set()
    watcher.join()
    if code not in (0, 2):
        sys.exit(f"the build failed with {code}")
    return time.monotonic() - began, peak


def held(process: psutil.Process) -> int:
    """Bytes of the process tree, shared pages counted once for each that maps them."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def model_work(workspace: Path) -> float:
    """Seconds inside stages, less the imports of their libraries."""
    events = map(json.loads, (workspace / "build/logs/events.jsonl").read_text().splitlines())
    ended = {event["stage"]: event["seconds"] for event in events if event.get("event") == "ended"}
    work = 0.0
    for name, seconds in ended.items():
        kind = "predict-tuned" if name.endswith("-tuned") else name.split("-")[0]
        work += max(0.0, seconds - import_seconds(IMPORTS.get(kind)))
    return work


def import_seconds(line: str | None) -> float:
    if line is None:
        return 0.0
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", line], check=True)
    return time.monotonic() - began


def sgemm() -> float:
    """How fast the machine is now: float32 products of a training step's shape, on all cores. Shared machines vary by
    half from hour to hour, and the build's time with them.
    """
    product = "import torch; a, b = torch.randn(138, 576), torch.randn(576, 1536); run = lambda: torch.mm(a, b)"
    timed = "import timeit; print(timeit.timeit(run, number=2000))"
    seconds = float(
        subprocess.run([sys.executable, "-c", f"{product}\n{timed}"], capture_output=True, check=True).stdout
    )
    return 2 * 138 * 576 * 1536 * 2000 / seconds / 1e9


def figure(name: str, value: float, unit: str, bound: float | None) -> None:
    """bound: the most that is allowed; None for what is only told."""
    holds = None if bound is None else value <= bound
    print(json.dumps({"figure": name, "value": round(value, 2), "unit": unit, "bound": bound, "holds": holds}))


if __name__ == "__main__":
    main()
