"""A small workspace, built once a test session by the real DVC on a tiny random model; each test gets its own copy."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.once import once
from tests.tiny import tiny_model
from tunec.dvc import GUARD_STAGE

TASK = """\
task_name: tiny-slots
task_type: extraction
goal: A task for tests.
system_prompt: Read the slots of a booking request and answer with JSON.
input_template: "{text}"
output_format:
  type: json
  schema:
    type: object
    additionalProperties: false
    properties:
      people: {type: string, maxLength: 20}
      time: {type: string, maxLength: 20}
data:
  sources:
    - path: data/raw/rows.jsonl
splits: {ratios: {train: 0.6, dev: 0.2, test: 0.2}}
baselines:
  majority: true
  base: false
  prompted: true
training:
  base_model: models/tiny
  prompt: system
  epochs: 1
  learning_rate: 1e-3
quantization:
  formats: [q8_0]
  max_drop: 1.0
evaluation:
  max_new_tokens: 8
  resamples: 100
success_criteria:
  threshold: 0.5
"""


@dataclass(frozen=True)
class Workspace:
    """A folder to build in. bin: the commands `tunec` and `dvc` that are used there."""

    root: Path
    bin: Path = Path(sys.executable).parent

    def edit(self, before: str, after: str, file: str = "task.yaml") -> None:
        text = (self.root / file).read_text(encoding="utf-8")
        assert before in text
        (self.root / file).write_text(text.replace(before, after), encoding="utf-8")

    def tunec(self, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        return self._run(["tunec", *arguments], code)

    def dvc(self, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        return self._run(["dvc", *arguments], code)

    def repro(self) -> set[str]:
        """`tunec compile` and `dvc repro`; returns the stages that ran, the guard aside."""
        self.tunec("compile")
        done = self.dvc("repro")
        return set(re.findall(r"^Running stage '([^']+)'", done.stdout, re.MULTILINE)) - {GUARD_STAGE}

    def _run(self, command: list[str], code: int | None) -> subprocess.CompletedProcess[str]:
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=self.root, env=env, capture_output=True, text=True, check=False)
        assert code is None or done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done


def rows(count: int) -> Iterator[dict[str, object]]:
    for n in range(count):
        people, time = str(2 + n % 7), f"{1 + n % 11}:{n % 6}0"
        output = {"people": people, "time": time} if n % 3 else {"people": people}
        yield {"text": f"A table for {people} at {time}, request {n}.", "output": output}


def make(root: Path, bin: Path = Workspace.bin) -> Workspace:
    """A fresh workspace that was not built yet."""
    (root / "data" / "raw").mkdir(parents=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows(40))
    (root / "data" / "raw" / "rows.jsonl").write_text(lines, encoding="utf-8")
    (root / "task.yaml").write_text(TASK, encoding="utf-8")
    tiny_model(root / "models" / "tiny")
    workspace = Workspace(root, bin)
    workspace.dvc("init", "--quiet", "--no-scm")
    return workspace


@pytest.fixture(scope="session")
def built(for_all_workers: Path, zygote: Path) -> Path:
    """One build for all workers of a session."""
    return once(for_all_workers, "built", lambda to: build(to, zygote / "bin"))


def build(to: Path, bin: Path) -> None:
    make(to, bin).tunec("build", code=2)  # random weights reach no threshold


@pytest.fixture
def workspace(built: Path, zygote: Path, tmp_path: Path) -> Workspace:
    """A copy of the built workspace."""
    return Workspace(shutil.copytree(built, tmp_path / "w", symlinks=True), zygote / "bin")
