"""Trainings of a task on parts of its rows, one after another, in a process of their own, which imports torch once.

`python -m tunec.advising.trying` reads trials as JSON, and tells how far it is as a stage of a build does. A trial that
is done is a file of answers; one that was cut off goes on from its last checkpoint.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages import checkpoints, progress
from stages.base import READ, Stage
from stages.catalog import members
from stages.diagnostics import UserError
from stages.ending import die_with_parents
from stages.runner import Work, here

_PAUSE = 0.2  # seconds between two lines of the same trial


@dataclass(frozen=True)
class Trial:
    """train, predict: {inputs, params} of the two stages, as dvc.yaml and params.yaml have them; `predict` asks the
    adapter that `train` writes. answers: where they stand at the end. kept: where checkpoints lie meanwhile.
    """

    name: str
    train: Mapping[str, Any]
    predict: Mapping[str, Any]
    answers: str
    kept: str

    def json(self) -> dict[str, Any]:
        return asdict(self)


def attempt(trial: Trial) -> None:
    """Train, and ask the dev rows. Raises what both stages raise."""
    answers = Path(trial.answers)
    aside = answers.with_suffix(".tmp")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    checkpoints.keep_at(lambda: Path(trial.kept))
    try:
        trained = _run("train", trial.train, aside)
        asked = {**trial.predict["inputs"], "adapter": str(trained["adapter"])}
        found = _run("predict", {**trial.predict, "inputs": asked}, aside)
        found["predictions"].replace(answers)
        shutil.rmtree(trial.kept, ignore_errors=True)
    finally:
        checkpoints.keep_at(None)
        shutil.rmtree(aside, ignore_errors=True)


def _run(name: str, asked: Mapping[str, Any], aside: Path) -> dict[str, Path]:
    """One stage, and where it wrote its outputs."""
    stage = members("stages", "STAGE", Stage)[name]
    written = {field: aside / name / write.path for field, write in stage.writes().items()}
    (aside / name).mkdir()
    params = {key: value for key, value in asked["params"].items() if key != READ}
    here(Work(name, stage, {"inputs": asked["inputs"]}, params, written))
    gc.collect()  # the weights of the training before the next ones are read
    return written


def main() -> int:
    """0; or 1 where a stage refused, with its diagnostics told."""
    trials = [Trial(**one) for one in json.load(sys.stdin)]
    die_with_parents()
    for trial in trials:
        teller = _Teller(trial.name)
        progress.listen(teller.step)
        teller.tell({"event": "start"})
        try:
            attempt(trial)
        except UserError as error:
            teller.tell({"event": "refused", "diagnostics": [one.plain() for one in error.diagnostics]})
            return 1
        teller.tell({"event": "ended"})
    return 0


class _Teller:
    """Writes what a trial does into the file of events, at most one step in a while."""

    def __init__(self, name: str) -> None:
        self.name, self.last = name, 0.0

    def step(self, done: int, total: int | None, note: str) -> None:
        if time.monotonic() - self.last >= _PAUSE:
            self.last = time.monotonic()
            self.tell({"done": done, "total": total, "note": note})

    def tell(self, event: Mapping[str, Any]) -> None:
        line = json.dumps({"stage": self.name, **event}, ensure_ascii=False) + "\n"
        with Path(os.environ[progress.EVENTS_TO]).open("a", encoding="utf-8") as out:
            out.write(line)


if __name__ == "__main__":
    sys.exit(main())
