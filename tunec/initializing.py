"""`tunec init`: a folder in which `tunec build` works at once."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from compiler.resolve import did_you_mean
from stages.diagnostics import fail
from tunec import dvc
from tunec.editing import FILE, LINE, json_schema

_TEMPLATES = Path(__file__).parent / "templates"
_IGNORED = "/build/\n/.venv/\n"


def initialize(folder: Path, template: str) -> str:
    """Fill `folder` from a template and make it a git and DVC workspace; returns what to do next.

    Raises T420 when the folder is in use, T421 for an unknown template, T422 without git.
    """
    known = sorted(path.name for path in _TEMPLATES.iterdir() if (path / "task.yaml").is_file())
    if template not in known:
        help = did_you_mean(template, known) or f"choose one of {', '.join(known)}"
        raise fail("T421", f"there is no template `{template}`", help=help)
    if folder.exists() and (not folder.is_dir() or any(p.name != ".git" for p in folder.iterdir())):
        raise fail("T420", f"{folder} is there already and not empty", help="name a new folder")
    if shutil.which("git") is None:
        raise fail("T422", "git is not installed", help="apt-get install git")
    shutil.copytree(_TEMPLATES / template, folder, dirs_exist_ok=True)
    task = folder / "task.yaml"
    task.write_text(LINE + task.read_text(encoding="utf-8"), encoding="utf-8")
    text = json.dumps(json_schema(folder), indent=2, ensure_ascii=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")
    (folder / ".gitignore").write_text(_IGNORED, encoding="utf-8")
    around = next((at for at in (folder.resolve(), *folder.resolve().parents) if (at / ".git").exists()), None)
    if around is None:
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    dvc.init(folder)
    then = "Then put your own rows into data/raw/ and edit task.yaml."
    if around not in (None, folder.resolve()):
        then += f"\nIt lies in the git repository {around}, which its releases will be tags of."
    return f"{folder} is ready. Next:\n\n  cd {folder}\n  tunec build\n\n{then}"
