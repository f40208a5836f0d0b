"""What the guard wrote down of a stage: the modules and libraries that it computes with, a line each."""

from __future__ import annotations

from pathlib import Path

from stages.rows import read_yaml

_FOLDER = "build/guard/"  # compiler.emit.fingerprint_path, which takes long to load for a stage's command


def fingerprint(root: Path, stage: str) -> str | None:
    """The text as it stands; None where the stage reads none, or it is not there."""
    try:
        reads = read_yaml(root / "dvc.yaml")["stages"][stage]["deps"]
        file: str = next(path for path in reads if path.startswith(_FOLDER))
        return (root / file).read_text(encoding="utf-8")
    except (OSError, ValueError, LookupError, TypeError, StopIteration):
        return None
