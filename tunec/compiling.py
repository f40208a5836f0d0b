"""Compile the task of a workspace: the disk on one side, the pure compiler on the other."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

from compiler import Compiled, compile_task
from compiler.parse import ParseError
from compiler.workspace import Workspace
from stages.diagnostics import UserError, fail
from tunec import dvc
from tunec.alone import ALONE, alone
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
    """Compile and write; returns which files changed.

    Raises T406 where a build that another process runs would find its graph written anew.
    """
    compiled = compile_workspace(root, overrides)
    texts = files(compiled)
    with alone(root) if (root / ALONE).exists() and _differ(root, texts) else nullcontext():
        return compiled, [name for name, text in texts.items() if write_if_changed(root / name, text)]


def _differ(root: Path, texts: Mapping[str, str]) -> bool:
    return any(not _is(root / name, text) for name, text in texts.items())


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def files(compiled: Compiled) -> dict[str, str]:
    """The compiled files by their path in the workspace. The guard's is the first to be written: a compile that is cut
    off leaves no graph without one.
    """
    texts = (compiled.guard_yaml, compiled.dvc_yaml, compiled.params_yaml)
    return dict(zip(dvc.COMPILED, texts, strict=True))


def write_if_changed(path: Path, text: str) -> bool:
    """Write a compiled file, whole or not at all; an unchanged one is left alone."""
    if _is(path, text):
        return False
    make_folder(path.parent)
    aside = path.with_suffix(path.suffix + ".tmp")
    aside.unlink(missing_ok=True)  # a link that lies there must not be written through
    with aside.open("x", encoding="utf-8") as file:
        file.write(text)
    aside.replace(path)
    return True


def make_folder(path: Path) -> None:
    """Of a compiled file. Raises T404 as `refuse_elsewhere` does."""
    refuse_elsewhere(path)
    path.mkdir(exist_ok=True)


def refuse_elsewhere(path: Path) -> None:
    """Raises T404 where the guard's folder is a link, which would lead away, or a file."""
    if path.name == Path(dvc.GUARD_FILE).parent.name and (path.is_symlink() or (path.exists() and not path.is_dir())):
        raise fail("T404", f"{path.name} is not a folder of the workspace", help="remove it, then compile again")
