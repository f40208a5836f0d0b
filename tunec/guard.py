"""The stage that always runs, before any other: so that a bare `dvc repro` is never silently stale.

It refuses when a compiled file is not what task.yaml compiles to, and writes one fingerprint a kind of stage,
on which those stages depend; so an edit of their code or an upgrade of their libraries runs them again. What it found
is sealed (tunec/sealing.py): while nothing changes, the next guard does not come here at all.
"""

from __future__ import annotations

from pathlib import Path

from compiler import Compiled
from compiler.emit import fingerprint_path
from stages.diagnostics import UserError, fail
from tunec import dvc
from tunec.compiling import compile_workspace, files
from tunec.fingerprint import fingerprint
from tunec.sealing import Asked, seal, write
from tunec.workspace import Disk


def guard(root: Path) -> None:
    """Check and write below `root`. Raises T404 when a compiled file is not fresh."""
    asked = Asked(Disk(root))
    compiled = compile_workspace(root, recorded_overrides(root), workspace=asked)
    for name, text in files(compiled).items():
        path = root / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            help = "run `tunec compile` (or `tunec build`, which does), then `dvc repro` again"
            raise fail("T404", f"{name} is not what task.yaml compiles to", help=help, file=name)
    written = {fingerprint_path(kind): text for kind, text in fingerprints(compiled).items()}
    write(root, written)
    seal(root, asked.answers, written)


def fingerprints(compiled: Compiled) -> dict[str, str]:
    """Kind -> fingerprint, for the kinds of instances that the plan has."""
    kinds = {instance.made.kind: instance for instance in compiled.plan.instances}
    return {kind: fingerprint(kinds[kind].stage, kinds[kind].made) for kind in sorted(kinds)}


def recorded_overrides(root: Path) -> list[str]:
    """The command-line overrides that the workspace was compiled with."""
    try:
        return list(dvc.guarded(root)["overrides"])
    except UserError:
        return []
