"""`tunec verify` beside `sha256sum`, over the same bytes.

    .venv/bin/python benchmarks/verify.py

Four files of 256 MB in a package's folder, in the page cache; the best of five runs each, taken in turn.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILES, BYTES, RUNS = 4, 256_000_000, 5


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        names = fill(Path(folder))
        ours = [sys.executable, "-m", "tunec", "verify", folder]
        theirs = ["sha256sum", *names]
        times = [(seconds(ours, folder), seconds(theirs, folder)) for _ in range(RUNS)]
    best = [min(column) for column in zip(*times, strict=True)]
    speed = [FILES * BYTES / 1e6 / value for value in best]
    share = 100 * speed[0] / speed[1]
    figure("verify_speed", speed[0], "MB/s", None)
    figure("sha256sum_speed", speed[1], "MB/s", None)
    figure("verify_beside_sha256sum", share, "%", 80)


def figure(name: str, value: float, unit: str, least: float | None) -> None:
    holds = None if least is None else value >= least
    print(json.dumps({"figure": name, "value": round(value, 1), "unit": unit, "least": least, "holds": holds}))


def fill(folder: Path) -> list[str]:
    files = {}
    for number in range(FILES):
        content = os.urandom(BYTES // 16) * 16
        (folder / f"{number}.gguf").write_bytes(content)
        files[f"{number}.gguf"] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({"files": files}), encoding="utf-8")
    return list(files)


def seconds(command: list[str], folder: str) -> float:
    began = time.monotonic()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
