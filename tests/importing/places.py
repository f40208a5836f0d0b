"""An import in a folder of its own, for every test that needs one."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from tunec.importing import import_files

HERE = Path(__file__).parent
CASES = sorted(case for format in ("axolotl", "llamafactory") for case in (HERE / format).iterdir())


def imported(case: Path, folder: Path) -> tuple[Path, str]:
    """The folder that a case was imported in, with its workspace, and the report."""
    here = folder / case.name
    shutil.copytree(case / "workspace", here) if (case / "workspace").is_dir() else here.mkdir()
    shutil.copy(case / "config.yaml", here)
    with contextlib.chdir(here):
        return here, import_files(case.parent.name, [Path("config.yaml")], Path("task.yaml"))


def tried(text: str, folder: Path, format: str = "axolotl") -> tuple[str, str]:
    """The task and the report that a text becomes."""
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    with contextlib.chdir(folder):
        report = import_files(format, [Path("config.yaml")], Path("task.yaml"))
    return (folder / "task.yaml").read_text(encoding="utf-8"), report
