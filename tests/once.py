"""What is dear to make, made once a test session: by the first worker that wants it, for all of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def once(folder: Path, name: str, make: Callable[[Path], object]) -> Path:
    """`folder`/`name`, as `make` left it; not to be changed. folder: the fixture `for_all_workers`."""
    shared, making = folder / name, folder / f"{name}-in-the-making"
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            shutil.rmtree(making, ignore_errors=True)
            make(making)
            making.rename(shared)
    return shared
