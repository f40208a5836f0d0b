"""What the files of a task show."""

from __future__ import annotations

from pathlib import Path

from compiler import Compiled
from stages.shapes import readable
from tunec.observing.columns import Told
from tunec.observing.observed import Observed, observe
from tunec.workspace import Disk


def of_task(root: Path, compiled: Compiled) -> Observed | None:
    """The rows of all sources that are trained on; None where there are none. Raises T302."""
    sources = [source for source in compiled.task.data.sources if not source.hub and source.role in (None, "train")]
    files = [file for source in sources for file in Disk(root).glob(source.path) if readable(file)]
    if not files:
        return None
    seen = observe(root, list(dict.fromkeys(files)), Told(compiled.task.data.output, guess=False))
    return seen if seen.looked else None
