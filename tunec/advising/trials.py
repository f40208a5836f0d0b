"""Which trials a curve takes, what each is made of, and doing those that were not done before."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import IO, Any

from rich.console import Console
from rich.live import Live

from compiler import Compiled
from compiler.plan import BUILD, Instance
from stages.diagnostics import UserError, fail
from stages.exhausted import memory_is_full
from stages.progress import EVENTS_TO
from stages.rows import dumps, sha256
from stages.runner import CHECKPOINTS
from tunec.advising.calibrating import environment
from tunec.advising.trying import Trial
from tunec.display import Display

ANSWERS = Path(BUILD, "advice")
_PARTS = (8, 4, 2, 1)  # of the train rows, smallest first
_DRAWS = 2  # of each part but the whole
_SMALLEST = 10  # rows below which a part teaches nothing
_EVENTS = Path(BUILD, "logs", "advice.jsonl")
Draw = tuple[int, int]  # how many rows, and which draw of so many


@dataclass(frozen=True)
class Studied:
    """What trials are made of, from the plan. rows: the lines of the train split."""

    root: Path
    compiled: Compiled
    train: Instance
    predict: Instance
    rows: Sequence[bytes]

    @property
    def sizes(self) -> list[int]:
        found = [len(self.rows) // part for part in _PARTS]
        return [size for size in found if size >= _SMALLEST]

    def draws(self, size: int) -> list[Draw]:
        return [(size, draw) for draw in range(1 if size == len(self.rows) else _DRAWS)]

    def part(self, drawn: Draw) -> list[bytes]:
        """The rows of a draw, in their order. Two draws of up to a half share none."""
        size, draw = drawn
        places = list(range(len(self.rows)))
        Random(0).shuffle(places)  # noqa: S311 - a draw, no secret
        return [self.rows[place] for place in sorted(places[-size:] if draw else places[:size])]

    def trial(self, drawn: Draw) -> Trial:
        size, draw = drawn
        key = self._key(self.part(drawn))
        train = {**self.train.inputs, "train": str(ANSWERS / f"{key}.rows.jsonl")}
        name = f"all {size:,} rows" if size == len(self.rows) else f"{size:,} rows, draw {draw + 1}"
        return Trial(
            name,
            {"inputs": train, "params": dict(self.train.params)},
            {"inputs": dict(self.predict.inputs), "params": dict(self.predict.params)},
            str(ANSWERS / f"{key}.jsonl"),
            str(CHECKPOINTS / "advice" / key),
        )

    def _key(self, part: Sequence[bytes]) -> str:
        """Stands for all that the answers come from: rows, model, parameters, code and libraries."""
        from tunec.fingerprint import fingerprint

        both = (self.train, self.predict)
        made = [[fingerprint(one.stage, one.made), one.params] for one in both]
        reads = sorted({path for one in both for path in one.dependencies()} - {str(self.train.inputs["train"])})
        given = [[path, _content(self.root / path)] for path in reads if (self.root / path).exists()]
        rows = hashlib.sha256(b"".join(part)).hexdigest()
        return hashlib.sha256(dumps([made, given, rows], sort_keys=True).encode()).hexdigest()[:16]


def _content(path: Path) -> Any:
    if path.is_dir():
        return [[file.relative_to(path).as_posix(), sha256(file)] for file in sorted(path.rglob("*")) if file.is_file()]
    return sha256(path)


def done(studied: Studied, console: Console) -> Mapping[Draw, Path]:
    """The answers of every draw to dev; what was not asked before is trained and asked now, and shown.

    Raises T943 for a trial that the system ended, and what the stages raise.
    """
    trials = {drawn: studied.trial(drawn) for size in studied.sizes for drawn in studied.draws(size)}
    missing = {drawn: one for drawn, one in trials.items() if not (studied.root / one.answers).exists()}
    if missing:
        _try(studied, missing, console)
    return {drawn: studied.root / one.answers for drawn, one in trials.items()}


def _try(studied: Studied, missing: Mapping[Draw, Trial], console: Console) -> None:
    from tunec.alone import alone

    whole = sum(size for size, _ in missing) / len(studied.rows)
    many = "a training" if len(missing) == 1 else f"{len(missing)} trainings"
    console.print(f"{many} on parts of the train rows, together {whole:.2g} times the whole one")
    with alone(studied.root), _rows(studied, missing):
        _run(studied.root, list(missing.values()), console)


@contextmanager
def _rows(studied: Studied, missing: Mapping[Draw, Trial]) -> Iterator[None]:
    """The rows of each trial stand where it reads them while the block runs."""
    files = {studied.root / one.train["inputs"]["train"]: drawn for drawn, one in missing.items()}
    try:
        for file, drawn in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"".join(studied.part(drawn)))
        yield
    finally:
        for file in files:
            file.unlink(missing_ok=True)


def _run(root: Path, trials: Sequence[Trial], console: Console) -> None:
    events, log = root / _EVENTS, root / _EVENTS.with_suffix(".log")
    events.parent.mkdir(parents=True, exist_ok=True)
    events.write_text("", encoding="utf-8")
    display = Display(console, root, _EVENTS)
    live = Live(display, console=console, refresh_per_second=5) if console.is_terminal else nullcontext()
    with tempfile.TemporaryFile() as asked, log.open("wb") as errors, live:
        asked.write(json.dumps([one.json() for one in trials]).encode())
        asked.seek(0)
        code = _watched(root, asked, errors, display)
    if display.refused:
        raise UserError(*display.refused)
    if code:
        raise ended(code, log.read_text(encoding="utf-8", errors="replace").strip().splitlines())


def _watched(root: Path, asked: IO[bytes], errors: IO[bytes], display: Display) -> int:
    command = [sys.executable, "-m", "tunec.advising.trying"]
    env = {**environment(), EVENTS_TO: str(_EVENTS)}
    process = subprocess.Popen(command, cwd=root, env=env, stdin=asked, stderr=errors)
    try:
        while True:
            try:
                return process.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                display.tick()
    finally:
        process.kill()
        process.wait()
        display.tick()


def ended(code: int, said: Sequence[str]) -> Exception:
    """What a process left that ended without a diagnostic: the system killed it, or it is our mistake."""
    last = said[-1] if said else "it ended without a word"
    if code > 0 and not memory_is_full(RuntimeError(last)):
        return RuntimeError("\n".join(said[-20:]))
    help = "close other programs, or choose a smaller base model, batch or max_length; what is finished stays so"
    return fail("T943", "a training on a part of the rows was ended, most likely for memory", notes=(last,), help=help)
