"""`tunec check` and `tunec compile --dry-run`: look, say, write nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from compiler.checked import checked
from compiler.parse import ParseError
from compiler.resolve import pinned_by
from stages.counting import counted
from stages.diagnostics import Diagnostic, UserError, fail
from stages.wording import render, tame
from tunec.workspace import Disk, read_task

FORMATS = ("text", "json", "github")


def check_file(file: Path, format: str) -> int:
    """Print every diagnostic of a task; returns 0, or 1 when there is an error."""
    if format not in FORMATS:
        raise fail("T411", f"unknown format `{format}`", help=f"choose one of {', '.join(FORMATS)}")
    found, pinned = _looked(file)
    errors = sum(d.severity == "error" for d in found)
    if format == "json":
        print(json.dumps([d.plain() for d in found], indent=2, ensure_ascii=False))
    elif format == "github":
        for diagnostic in found:
            print(_annotation(diagnostic, file.parent))
    else:
        said = [*(render(d, Disk(file.parent).line_of) for d in found), "\n".join([_summary(file, found), *pinned])]
        print("\n\n".join(said))
    return 1 if errors else 0


def compile_difference(root: Path, overrides: list[str]) -> str:
    """What a compile would change, as a unified diff; a sentence when nothing would."""
    from tunec.compiling import compile_workspace, files

    shown = list(_differences(root, files(compile_workspace(root, overrides))))
    return "".join(shown).rstrip("\n") or "nothing would change"


def _differences(root: Path, compiled: dict[str, str]) -> Iterable[str]:
    import difflib

    for name, text in compiled.items():
        path = root / name
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        yield from difflib.unified_diff(before.splitlines(True), text.splitlines(True), name, f"{name} (compiled)")


def _looked(file: Path) -> tuple[list[Diagnostic], list[str]]:
    """What is wrong with it, and which Hub ids a preset pins."""
    disk = Disk(file.parent)
    try:
        found = checked(read_task(file), disk, file=file.name, overrides=[])
        models = dict.fromkeys(one.task.training.base_model for one in found.points)
        pinned = [f"note: {said}" for model in models if (said := pinned_by(model, disk))]
        if len(found.points) == 1:
            return found.warnings, pinned
        from tunec.compiling import compile_workspace

        compiled = compile_workspace(file.parent, [], file.name)  # two variants may be one, or not share a stage
        return compiled.warnings, pinned
    except (ParseError, UserError) as error:
        return list(error.diagnostics), []


def _summary(file: Path, found: list[Diagnostic]) -> str:
    errors = sum(d.severity == "error" for d in found)
    warnings = len(found) - errors
    if not found:
        return f"{file}: no errors"
    return f"{file}: {counted(errors, 'error')}, {counted(warnings, 'warning')}"


def _annotation(found: Diagnostic, root: Path) -> str:
    """GitHub's workflow command: one line, in which `%`, line breaks and, in properties, `:` and `,` are escaped."""
    place = ""
    if found.span:
        path = root / found.span.file  # a preset of tunec's own does not lie in the workspace
        file = _escaped(path.as_posix() if path.is_file() else found.span.file).replace(":", "%3A").replace(",", "%2C")
        place = f" file={file},line={found.span.line},col={found.span.column},title={found.code}"
    text = "\n".join([found.message, *found.notes, *([f"help: {found.help}"] if found.help else [])])
    return f"::{found.severity}{place}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return tame(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
