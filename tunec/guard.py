"""The stage that always runs, before any other: so that a bare `dvc repro` is never silently stale.

It refuses when dvc.yaml or params.yaml is not what task.yaml compiles to, and writes one fingerprint a stage, on which
that stage depends; so an edit of its code or an upgrade of its libraries runs it again.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from compiler import Compiled
from compiler.emit import GUARD, fingerprint_path
from stages.base import Stage, fail, members
from stages.rows import read_yaml
from tunec.fingerprint import fingerprint


def guard(root: Path) -> None:
    """Check and write below `root`. Raises T404 when a compiled file is not fresh."""
    from tunec.compiling import compile_workspace

    compiled = compile_workspace(root, recorded_overrides(root))
    for name, text in files(compiled).items():
        path = root / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            help = "run `tunec compile` (or `tunec build`, which does), then `dvc repro` again"
            raise fail("T404", f"{name} is not what task.yaml compiles to", help=help, file=name)
    for kind, text in fingerprints(compiled).items():
        path = root / fingerprint_path(kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def files(compiled: Compiled) -> dict[str, str]:
    """The compiled files by name."""
    return {"dvc.yaml": compiled.dvc_yaml, "params.yaml": compiled.params_yaml}


def fingerprints(compiled: Compiled) -> dict[str, str]:
    """Stage kind -> fingerprint, for the kinds that the plan has."""
    known = members("stages", "STAGE", Stage)
    kinds = sorted({instance.stage.name for instance in compiled.plan.instances})
    return {kind: fingerprint(known[kind]) for kind in kinds}


def recorded_overrides(root: Path) -> list[str]:
    """The command-line overrides that dvc.yaml was compiled with."""
    try:
        stages = read_yaml(root / "dvc.yaml")["stages"]
        return [str(override) for override in stages[GUARD]["meta"]["overrides"]]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return []
