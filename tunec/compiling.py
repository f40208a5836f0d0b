"""Compile the task of a workspace: the disk on one side, the pure compiler on the other."""

from __future__ import annotations

from pathlib import Path

from compiler import Compiled, compile_task
from compiler.parse import ParseError
from compiler.workspace import Workspace
from stages.diagnostics import UserError
from tunec import dvc
from tunec.workspace import TASK, Disk, read_task


def compile_workspace(
    root: Path, overrides: list[str], task: str = TASK, *, workspace: Workspace | None = None
) -> Compiled:
    """Raises UserError with every diagnostic of the first pass that fails. `workspace`: who answers for the disk."""
    try:
        return compile_task(read_task(root / task), workspace or Disk(root), file=task, overrides=overrides)
    except ParseError as error:
        raise UserError(*error.diagnostics) from None


def compile_here(root: Path, overrides: list[str]) -> tuple[Compiled, list[str]]:
    """Compile and write; returns which files changed."""
    compiled = compile_workspace(root, overrides)
    return compiled, [name for name, text in files(compiled).items() if write_if_changed(root / name, text)]


def files(compiled: Compiled) -> dict[str, str]:
    """The compiled files by their path in the workspace."""
    return {"dvc.yaml": compiled.dvc_yaml, "params.yaml": compiled.params_yaml, dvc.GUARD_FILE: compiled.guard_yaml}


def write_if_changed(path: Path, text: str) -> bool:
    """Write a compiled file, whole or not at all; an unchanged one is left alone."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(exist_ok=True)
    aside = path.with_suffix(path.suffix + ".tmp")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
    return True
