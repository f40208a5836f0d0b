"""A workspace in which only DVC, the compiler, the guard and the first stages are real: built in seconds, then copied.

`house` is a copy of tunec's own packages, from which the guard and the real stages of that workspace run. So a test can
edit a stage's code, a shipped preset, or the version of a library that `importlib.metadata` finds, and no checkout
knows of it.
"""

from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from tests.once import once
from tests.quick_dvc import quick_dvc
from tests.rebuilds.stand_in import RAN
from tunec.compiling import compile_here

ROOT = Path(__file__).parents[2]
PACKAGES = ("compiler", "conf", "hydra_plugins", "stages", "tunec")
TASK = """\
task_name: tiny-slots
version: v1
task_type: extraction
domain: restaurants
language: en
goal: A task for tests.
non_goals: No other task.
system_prompt: Read the slots.
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
    - path: data/raw/more/*.csv
      map: {text: utterance, output: slots}
splits: {ratios: {train: 0.6, dev: 0.2, test: 0.2}}
baselines:
  majority: true
  base: false
  prompted: true
  rule: {people: '\\d+ people'}
training:
  base_model: models/tiny
  prompt: system
  lora: {r: 16, alpha: 32}
  epochs: 1
  learning_rate: 1e-3
quantization:
  formats: [q8_0]
  max_drop: 0.5
evaluation:
  max_new_tokens: 8
  resamples: 100
success_criteria:
  threshold: 0.5
"""


@dataclass(frozen=True)
class Workspace:
    """`root` is the folder to build in, `house` the copy of tunec that builds it."""

    root: Path
    house: Path

    def edit(self, before: str, after: str, file: str = "task.yaml") -> None:
        """Put `after` where `before` stands, once. `file` counts from the workspace."""
        self._replace(self.root / file, before, after)

    def edit_house(self, file: str, before: str, after: str) -> None:
        self._replace(self.house / file, before, after)

    def write(self, file: str, text: str) -> None:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def upgrade(self, library: str, version: str = "99.0") -> None:
        """From now on this is the version that is installed, for all that the workspace runs."""
        self.downgrade(library)
        info = self.house / "lib" / f"{library.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {library}\nVersion: {version}\n")

    def downgrade(self, library: str) -> None:
        """The version that is really installed counts again."""
        for info in (self.house / "lib").glob(f"{library.replace('-', '_')}-*"):
            shutil.rmtree(info)

    def compile(self, *overrides: str) -> None:
        """`tunec compile`: in this process, unless the house has other presets than the checkout."""
        if _same(self.house / "conf", ROOT / "conf"):
            compile_here(self.root, list(overrides))
        else:
            self.run("tunec", "compile", *overrides)

    def repro(self) -> set[str]:
        """`dvc repro` and nothing before it; returns the stages that ran, the guard aside."""
        (self.root / RAN).unlink(missing_ok=True)
        with chdir(self.root), mock.patch.dict(os.environ, self._environment(), clear=True), quick_dvc() as repo:
            repo(str(self.root)).reproduce()
        return self.ran()

    def dvc(self, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "dvc", *arguments, code=code)

    def ran(self) -> set[str]:
        ran = self.root / RAN
        names = ran.read_text(encoding="utf-8").split() if ran.is_file() else []
        assert len(names) == len(set(names)), "a stage ran twice"
        return set(names)

    def run(self, *command: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        env = self._environment()
        done = subprocess.run(command, cwd=self.root, env=env, capture_output=True, text=True, check=False)
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done

    def _environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            "PATH": f"{self.house / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self.root / ".dvc" / "site"),
        }

    def copy(self, to: Path) -> Workspace:
        """Both, so that an edit of either stays with this copy. Times are kept: DVC and Python look at them."""
        house = shutil.copytree(self.house, to / "house")
        _script(house)
        return Workspace(shutil.copytree(self.root, to / "w", symlinks=True), house)

    def anew(self, to: Path) -> Workspace:
        """A workspace of the same task, data and presets and the same house, in which nothing was ever built."""
        root = to / "anew"
        for name in ("data", "models", "conf"):
            if (self.root / name).is_dir():
                shutil.copytree(self.root / name, root / name)
        (root / ".dvc").mkdir()
        for name in ("task.yaml", ".dvc/config", ".dvcignore"):
            shutil.copyfile(self.root / name, root / name)
        return Workspace(root, self.house)

    @staticmethod
    def _replace(path: Path, before: str, after: str) -> None:
        text = path.read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{before!r} stands {text.count(before)} times in {path.name}"
        path.write_text(text.replace(before, after), encoding="utf-8")


# ---------------------------------------------------------------- what is built


def rows(count: int, first: int = 0) -> Iterator[dict[str, object]]:
    for n in range(first, first + count):
        people, time = str(2 + n % 7), f"{1 + n % 11}:{n % 6}0"
        output = {"people": people, "time": time} if n % 3 else {"people": people}
        yield {"text": f"A table for {people} people at {time}, request {n}.", "output": output}


def make(to: Path) -> Workspace:
    """A fresh workspace, and a house for it; nothing is built."""
    workspace = Workspace(to / "w", house(to / "house"))
    workspace.write("task.yaml", TASK)
    workspace.write("data/raw/rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows(30)))
    quoted = [(row["text"], json.dumps(row["output"]).replace('"', '""')) for row in rows(10, first=30)]
    workspace.write("data/raw/more/a.csv", "utterance,slots\n" + "".join(f'"{t}","{s}"\n' for t, s in quoted))
    workspace.write("data/raw/README.md", "Rows that nobody said.\n")
    workspace.write("models/tiny/config.json", "{}\n")
    workspace.write("models/tiny/model.safetensors", "weights\n")
    workspace.dvc("init", "--quiet", "--no-scm")
    workspace.dvc("config", "cache.type", "reflink,hardlink,copy")
    return workspace


def house(folder: Path) -> Path:
    for package in PACKAGES:
        ignore = shutil.ignore_patterns("__pycache__", "templates")
        shutil.copytree(ROOT / package, folder / package, ignore=ignore)
    (folder / "lib").mkdir()
    compileall.compile_dir(folder, quiet=2)
    _script(folder)
    return folder


def _script(folder: Path) -> None:
    """`tunec` of this house. Without site (-S) and environment (-E) Python starts in a third of the time; what site
    would have added stands here."""
    places = [str(folder / "lib"), str(folder), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    lines = [
        f"#!{sys.executable} -ESs",
        "import sys",
        "sys.dont_write_bytecode = True",
        f"sys.path[:1] = {list(dict.fromkeys(places))!r}",
        "from stand_in import main",
        "main()",
    ]
    bin = folder / "bin"
    bin.mkdir(exist_ok=True)
    (bin / "tunec").write_text("\n".join(lines) + "\n")
    (bin / "tunec").chmod(0o755)
    shutil.copyfile(Path(__file__).with_name("stand_in.py"), folder / "stand_in.py")


def _same(left: Path, right: Path) -> bool:
    texts = ({file.relative_to(f): file.read_bytes() for file in f.rglob("*.yaml")} for f in (left, right))
    return next(texts) == next(texts)


@pytest.fixture(scope="session")
def built(for_all_workers: Path) -> Workspace:
    """One build for all workers of a session."""
    shared = once(for_all_workers, "rebuilds", build)
    return Workspace(shared / "w", shared / "house")


def build(to: Path) -> None:
    made = make(to)
    made.compile()
    assert made.repro() == EVERYTHING


@pytest.fixture
def workspace(built: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the built workspace and its house."""
    return built.copy(tmp_path)


V = "tiny-r16"
EVERYTHING = {
    "data",
    "splits",
    "model-tiny",
    "baseline-majority",
    "baseline-prompted-tiny",
    "baseline-rule",
    f"train-{V}",
    f"export-{V}",
    f"quantize-{V}-q8_0",
    f"predict-{V}-tuned",
    f"predict-{V}-f16",
    f"predict-{V}-q8_0",
    "select",
    "test",
    "attack",
    "score",
    "gate",
    "package",
    "papers",
    "report",
}
