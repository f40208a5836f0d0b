"""Trains in child processes that are killed (SIGKILL) at random moments, each going on from the last one's checkpoint.

    python tests/stages/killed.py BASE FOLDER PARAMS.json KILLS SEED

FOLDER holds train.jsonl and dev.jsonl. Prints one JSON object: kills, runs that came to their end, and whether each of
their outputs is the reference's to the byte. The libraries are loaded once; the children are forked from here.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path


def main(base: Path, folder: Path, given: Path, kills: int, seed: int) -> None:
    import torch

    torch.set_num_threads(1)
    import peft  # noqa: F401 - what takes long to load is loaded before the forks
    import trl  # noqa: F401
    from trl import SFTTrainer  # noqa: F401

    began = time.monotonic()
    assert run(base, folder, given, "reference", None) is True
    whole = time.monotonic() - began
    expected = content(folder / "reference")
    draw, done, ends, equal, round_ = random.Random(seed), 0, 0, [], 0
    while done < kills:
        round_ += 1
        home = folder / "checkpoints" / f"key{round_}"
        while True:
            ended = run(base, folder, given, "out", home, draw.uniform(0.3, 1.2) * whole if done < kills else None)
            if ended:
                break
            done += 1
        ends += 1
        equal.append(content(folder / "out") == expected)
    print(json.dumps({"kills": done, "ends": ends, "equal": equal}))


def run(base: Path, folder: Path, given: Path, name: str, home: Path | None, seconds: float | None = None) -> bool:
    """Whether a child trained to its end before it was killed."""
    child = os.fork()
    if child == 0:
        train(base, folder, given, folder / name, home)
        os._exit(0)
    until = time.monotonic() + (seconds or 600)
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0, "a child failed"
            return True
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def train(base: Path, folder: Path, given: Path, out: Path, home: Path | None) -> None:
    from stages import checkpoints, resuming, threads
    from stages import train as stage

    resuming.EVERY, resuming.SHARE = 0.0, 1e9  # a checkpoint after every step
    threads.idle_cores = lambda: 1
    checkpoints.keep_at((lambda: home) if home else None)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    params = stage.TrainParams(**json.loads(given.read_text(encoding="utf-8")))
    outputs = stage.Outputs(out / "adapter", out / "curve.csv", out / "report.json")
    try:
        stage.run(stage.Inputs(folder / "train.jsonl", folder / "dev.jsonl", base), params, outputs)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
