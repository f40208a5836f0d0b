"""What the guard stage adds to a `dvc repro` that has nothing to do: at most 0.6 s.

    .venv/bin/python benchmarks/guard.py

In a workspace of stand-ins (tests/rebuilds), compiled from the root task, `dvc repro` is timed with the graph as it is,
and with the same graph without the guard: its fingerprint files stay, so every stage still depends on them. One after
the other, several times; the least of each counts, for a busy machine only ever adds. What the guard adds is its own
process, and that DVC writes a dvc.lock again after any stage that ran: the guard's own, which is short.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

TIMES, BOUND = 7, 0.6


def main() -> None:
    from tests.rebuilds.conftest import make
    from tunec.dvc import GUARD_FILE

    with tempfile.TemporaryDirectory() as folder:
        workspace = make(Path(folder))
        task = (ROOT / "task.yaml").read_text(encoding="utf-8")
        workspace.write("task.yaml", task)
        workspace.write("data/raw/booking_slots.jsonl", (ROOT / "data/raw/booking_slots.jsonl").read_text("utf-8"))
        workspace.compile()
        workspace.repro()
        guard, aside = workspace.root / GUARD_FILE, workspace.root / "aside.yaml"
        seconds: dict[str, list[float]] = {"with": [], "without": []}
        for _ in range(TIMES):
            seconds["with"].append(took(workspace))
            guard.rename(aside)
            seconds["without"].append(took(workspace))
            aside.rename(guard)
    least = {name: min(times) for name, times in seconds.items()}
    figure("repro_nothing_to_do", least["with"], None)
    figure("repro_nothing_to_do_without_guard", least["without"], None)
    figure("guard_adds", least["with"] - least["without"], BOUND)


def took(workspace: Any) -> float:
    began = time.perf_counter()
    workspace.dvc("repro", "--quiet")
    return time.perf_counter() - began


def figure(name: str, value: float, bound: float | None) -> None:
    holds = None if bound is None else value <= bound
    print(json.dumps({"figure": name, "value": round(value, 2), "unit": "s", "bound": bound, "holds": holds}))


if __name__ == "__main__":
    main()
