"""`python -m stages.rank JOB.json`: one of the processes of a training, as stages/parallel.py starts them.

All of them train; the first one tells, keeps checkpoints and writes what was made.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from stages import checkpoints, progress
from stages.diagnostics import UserError
from stages.ending import die_with_parents
from stages.parallel import SAID


def main(job: Path) -> int:
    die_with_parents()
    first = os.environ["RANK"] == "0"
    if first:
        progress.listen(lambda done, total, note: _say({"done": done, "total": total, "note": note}))
        progress.heed(lambda found: _say({"warned": found.plain()}))
    given = json.loads(job.read_text(encoding="utf-8"))
    if given["checkpoints"]:
        checkpoints.keep_at(lambda: Path(given["checkpoints"]))
    try:
        with tempfile.TemporaryDirectory() as aside:
            _train(given, None if first else Path(aside))
    except UserError as error:
        _say({"refused": [found.plain() for found in error.diagnostics]})
        return 1
    except Exception:
        _say({"failed": traceback.format_exc()})
        return 1
    return 0


def _train(given: dict[str, Any], aside: Path | None) -> None:
    import torch
    from accelerate import PartialState

    from stages import train
    from stages.lessons import TrainParams

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    PartialState(cpu=not torch.cuda.is_available())  # joins the processes
    inputs = {name: Path(path) if path else None for name, path in given["inputs"].items()}
    out = {name: aside / name if aside else Path(path) for name, path in given["out"].items()}
    train.run(train.Inputs(**inputs), TrainParams(**given["params"]), train.Outputs(**out))  # type: ignore[arg-type]


def _say(what: dict[str, Any]) -> None:
    print(f"{SAID}{json.dumps(what, ensure_ascii=False)}", flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
