"""What the files of a task show."""

from __future__ import annotations

from pathlib import Path

from compiler import Compiled
from stages.shapes import readable
from tunec.observing.columns import Told
from tunec.observing.observed import Observed, observe
from tunec.observing.rows import rows
from tunec.workspace import Disk


def of_task(root: Path, compiled: Compiled) -> Observed | None:
    """The rows of all sources that are trained on; None where there are none. Raises T302."""
    files = _files(root, compiled, None, "train")
    if not files:
        return None
    seen = observe(root, files, Told(compiled.task.data.output, guess=False))
    return seen if seen.looked else None


def for_train(root: Path, compiled: Compiled) -> int:
    """Records, about, of the sources that are put into train whole. Raises T302."""
    return rows(root, _files(root, compiled, "train")).total


def _files(root: Path, compiled: Compiled, *roles: str | None) -> list[str]:
    sources = [source for source in compiled.task.data.sources if not source.hub and source.role in roles]
    return list(dict.fromkeys(file for one in sources for file in Disk(root).glob(one.path) if readable(file)))
