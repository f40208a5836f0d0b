"""A workspace to release: real git, real DVC, the real compiler, and outputs that are made up instead of trained.

`dvc commit` takes them for what the stages wrote, so dvc.lock, the cache and `dvc status` are what they are after a
build; making one takes seconds instead of minutes.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from compiler import Compiled
from stages.rows import Row, row_id, sha256, write_json, write_rows
from tests.quick_dvc import quick_dvc
from tunec import dvc
from tunec.compiling import compile_here
from tunec.guard import guard
from tunec.start import main

TASK = """\
task_name: tiny-slots
task_type: extraction
goal: A task for tests.
system_prompt: Read the slots.
input_template: "{text}"
output_format:
  type: json
  schema:
    type: object
    additionalProperties: false
    properties:
      people: {type: string}
      time: {type: string, enum: [noon, night]}
data:
  sources:
    - path: data/raw/rows.jsonl
baselines: {majority: true, base: false, prompted: false}
training:
  base_model: models/base.gguf
quantization:
  formats: [q8_0]
success_criteria:
  primary_metric: exact_match
  threshold: 0.5
versioning:
  strategy: semantic
  naming: "{task}-v{n}"
  retention: 3
  deploy_target: local
"""
DAY = "1736208000"  # 2025-01-07, in seconds
PERSON = {
    "GIT_AUTHOR_NAME": "A Person",
    "GIT_AUTHOR_EMAIL": "person@example.com",
    "GIT_COMMITTER_NAME": "A Person",
    "GIT_COMMITTER_EMAIL": "person@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "SOURCE_DATE_EPOCH": DAY,
    "DVC_NO_ANALYTICS": "1",
}


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


@dataclass(frozen=True)
class Small:
    """A workspace that was "built" and committed."""

    root: Path

    def tunec(self, *arguments: str, code: int | None = 0, **env: str) -> Done:
        """`tunec ARGUMENTS` in the workspace, within this process."""
        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(self.root),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            mock.patch.dict(os.environ, {**PERSON, **env}),
            mock.patch.object(sys, "argv", ["tunec", *arguments]),
            pytest.raises(SystemExit) as ended,
        ):
            main()
        done = Done(int(ended.value.code or 0), out.getvalue(), err.getvalue())
        assert code is None or done.code == code, done.said
        assert "Traceback" not in done.said and "T999" not in done.said, done.said
        return done

    def git(self, *arguments: str, check: bool = True) -> str:
        command = ["git", *arguments]
        env = {**os.environ, **PERSON}
        done = subprocess.run(command, cwd=self.root, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout.strip()

    def edit(self, before: str, after: str, file: str = "task.yaml") -> None:
        text = (self.root / file).read_text(encoding="utf-8")
        assert before in text
        (self.root / file).write_text(text.replace(before, after), encoding="utf-8")

    def commit(self, message: str = "an edit") -> None:
        self.git("add", "-A")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)

    def build(
        self,
        *,
        salt: str = "a",
        verdict: str = "ship",
        right: int = 6,
        rows: int = 20,
        tags: tuple[str, ...] = (),
        **package: Any,
    ) -> None:
        """What a build would leave: outputs that depend on `salt`, `right` of the 8 test rows answered as expected.

        tags: of its rows. package: what its package is to hold: model, the bytes of a GGUF; card, what its model card
        begins with.
        """
        with contextlib.chdir(self.root), mock.patch.dict(os.environ, PERSON):
            write_sources(self.root, rows)
            compiled, _ = compile_here(Path(), [])
            fill(compiled, salt=salt, verdict=verdict, right=right, rows=rows, tags=tags)
            _package(salt, verdict, **package)
            guard(Path())
            with quick_dvc() as repo:
                repo().commit(force=True)
        self.commit(f"build {salt}")

    def release(self, *arguments: str, **env: str) -> Done:
        return self.tunec("release", *arguments, **env)

    def names(self) -> list[str]:
        return self.git("tag", "--list").split()

    def lines(self, name: str = "releases") -> list[dict[str, Any]]:
        file = self.root / "registry" / f"{name}.jsonl"
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []

    def state(self) -> dict[str, Any]:
        """All that a release could have changed: refs, the tree, and every file outside .git, build and the cache."""
        skipped = (".git", ".dvc", "build")
        files = sorted(
            f for f in self.root.rglob("*") if f.is_file() and f.relative_to(self.root).parts[0] not in skipped
        )
        return {
            "refs": self.git("for-each-ref"),
            "status": self.git("status", "--porcelain"),
            "files": {f.relative_to(self.root).as_posix(): sha256(f) for f in files},
        }


def write_sources(root: Path, count: int) -> None:
    (root / "data" / "raw").mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({**row.input, "output": row.output}) + "\n" for row in made_up(count))
    (root / "data" / "raw" / "rows.jsonl").write_text("".join(lines), encoding="utf-8")


def made_up(count: int) -> list[Row]:
    inputs = [{"text": f"for {n}, please"} for n in range(count)]
    outputs = [{"people": str(n), "time": ("noon", "night")[n % 2]} for n in range(count)]
    return [Row(row_id(i, o), i, o) for i, o in zip(inputs, outputs, strict=True)]


def fill(compiled: Compiled, *, salt: str, verdict: str, right: int, rows: int, tags: tuple[str, ...]) -> None:
    """Every output of the plan, by its path; what nobody reads is noise that depends on the salt."""
    for instance in compiled.plan.instances:
        for field, write in instance.stage.writes().items():
            path = Path(instance.outputs[field])
            target = path / "part.bin" if write.kind == "folder" else path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            noise = random.Random(f"{salt} {path if 'data' not in path.parts else rows}")
            text = {"metrics": json.dumps({"noise": noise.random()}), "plot": f"step,loss\n1,{noise.random()}\n"}
            target.write_bytes(text[write.kind].encode() if write.kind in text else noise.randbytes(3000))
    _rows([replace(row, tags=tags) for row in made_up(rows)])
    _judged(made_up(rows), verdict, right, salt)


def _rows(rows: list[Row]) -> None:
    parts = {"test": rows[:8], "dev": rows[8:10], "train": rows[10:]}
    write_rows(_new("build/data/accepted.jsonl"), rows)
    for name, part in {**parts, "golden": [], "adversarial": []}.items():
        write_rows(_new(f"build/splits/{name}.jsonl"), part)
    write_json(_new("build/splits/report.json"), {**{n: len(part) for n, part in parts.items()}, "seed": 0})


def _judged(rows: list[Row], verdict: str, right: int, salt: str) -> None:
    said = [json.dumps(row.output if n < right else {"people": "?"}) for n, row in enumerate(rows[:8])]
    answers = [
        {"id": r.id, "text": t, "free": t, "tokens": 3, "finish": "stop"} for r, t in zip(rows, said, strict=False)
    ]
    _new("build/test/chosen.jsonl").write_text("".join(json.dumps(a) + "\n" for a in answers))
    for name in ("golden", "adversarial"):
        _new(f"build/test/{name}.jsonl").write_text("")
    write_json(_new("build/test/speed.json"), {"chosen": {"rows_per_second": 5.0 + len(salt)}})
    figure = {"value": right / 8, "low": right / 8 - 0.1, "high": right / 8 + 0.1, "bound": right / 8 - 0.08}
    scores = {"rows": 8, "chosen": "q8_0", "systems": {"q8_0": {"exact_match": figure}}, "ahead": {}}
    write_json(_new("build/score/scores.json"), scores)
    status = {"ship": "pass", "do_not_ship": "fail"}.get(verdict, "not_enough_evidence")
    gate = {"gate": "threshold", "status": status, "figure": right / 8, "bound": 0.5, "reason": "as it was made up"}
    write_json(_new("build/gate/verdict.json"), {"verdict": verdict, "chosen": "q8_0", "gates": [gate]})


def _package(salt: str, verdict: str, model: bytes | None = None, card: str = "") -> None:
    home = Path("build/package")
    _new("build/package/model.gguf").write_bytes(model or random.Random(f"model {salt}").randbytes(70_000))
    _new("build/package/Modelfile").write_text("FROM ./model.gguf\n")
    goal = next(line for line in Path("task.yaml").read_text().splitlines() if line.startswith("goal:"))
    _new("build/package/README.md").write_text(f"{card}# tiny-slots\n\n{goal}\n\n{verdict}\n")
    import yaml

    task = yaml.safe_load(Path("task.yaml").read_text())
    contract = {
        "type": task["output_format"]["type"],
        "schema": task["output_format"]["schema"],
        "system_prompt": task["system_prompt"],
        "input_template": task["input_template"],
    }
    write_json(_new("build/package/contract.json"), contract)
    files = {f.name: sha256(f) for f in sorted(home.iterdir()) if f.name not in ("manifest.json", ".gitignore")}
    model = {
        "model": {"name": "base", "source": "gguf"},
        "files": [{"name": "base.gguf", "bytes": 9, "sha256": "0" * 64}],
    }
    write_json(
        _new("build/package/manifest.json"),
        {"files": files, "chosen": "base-r16-q8_0", "verdict": verdict, "base_model": model},
    )


def _new(path: str) -> Path:
    """A path to write to: what stands there may be a read-only link into the cache."""
    Path(path).unlink(missing_ok=True)
    return Path(path)


def make(root: Path, repository: Path | None = None) -> Small:
    """A fresh workspace, built once with the salt `a` and committed; `repository`: the git folder above it."""
    root.mkdir(parents=True)
    (root / "task.yaml").write_text(TASK, encoding="utf-8")
    (root / "models").mkdir()
    (root / "models" / "base.gguf").write_bytes(b"GGUF base")
    (root / ".gitignore").write_text("/build/\n", encoding="utf-8")
    small = Small(root)
    Small(repository or root).git("init", "--quiet", "--initial-branch=main")
    with mock.patch.dict(os.environ, PERSON):
        dvc.init(root)
    small.build()
    return small


def copy(of: Path, to: Path) -> Small:
    """Links of DVC stay links within the copy, as they are in a workspace."""
    subprocess.run(["cp", "-a", str(of), str(to)], check=True)
    return Small(to)


def status(root: Path) -> dict[str, Any]:
    """What DVC says has changed, by stage."""
    with dvc.started(root) as waiting:
        return dict(dvc.ask_status(waiting)().changed)


def flip(path: Path, at: int) -> tuple[int, int]:
    """Change one byte as a worn disk does: size, mode and times stay. Returns where, and what it was."""
    before = path.stat()
    path.chmod(0o644)
    at %= before.st_size
    with path.open("r+b") as file:
        file.seek(at)
        was = file.read(1)[0]
        file.seek(at)
        file.write(bytes([was ^ 0x20]))
    path.chmod(before.st_mode & 0o777)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return at, was


def released(root: Path) -> Small:
    """Three releases: v1, v1.0.1 (another goal), v1.1 (another model on more rows)."""
    small = make(root)
    small.release()
    small.edit("goal: A task for tests.", "goal: Another goal.")
    small.build()
    small.release()
    small.build(salt="b", right=7, rows=30)
    small.release()
    return small
