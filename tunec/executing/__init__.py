"""Where stage commands run. DVC decides which stages are stale and holds cache and locks on this machine; its command
`tunec run STAGE` ends here, and the executor that the guard's `meta` names brings it to a place and back.

    tunec build ── schedule ── dvc repro -s STAGE ── tunec run STAGE ── Executor.run(Job)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tunec import dvc
from tunec.executing.base import Executor, Job


def run_stage(stage: str) -> int:
    """What `tunec run STAGE` does: the command's exit code, 0 when its outputs stand in place."""
    job = Job(Path(), stage)
    return executor(settings(job.root)).run(job)


def executor(execution: Mapping[str, Any]) -> Executor:
    """The executor for an `execution` section, as it was compiled. A type's module is loaded when it is asked
    for: the local one loads nothing.
    """
    return _EXECUTORS[execution.get("type", "local")](execution)


def settings(root: Path) -> Mapping[str, Any]:
    """The `execution` section that the workspace was compiled with, from the guard's `meta`; empty for a local build
    in one process, which writes none. Raises T404.
    """
    if not any((root / name).is_file() for name in dvc.COMPILED):
        return {}  # nothing is compiled, which the stage tells
    return dict(dvc.guarded(root)["execution"])


def _local(execution: Mapping[str, Any]) -> Executor:
    from tunec.executing.local import Local

    return Local(execution)


def _remote_ssh(execution: Mapping[str, Any]) -> Executor:
    from tunec.executing.remote_ssh import RemoteSsh

    return RemoteSsh(execution)


def _slurm(execution: Mapping[str, Any]) -> Executor:
    from tunec.executing.slurm import Slurm

    return Slurm(execution)


def _ray(execution: Mapping[str, Any]) -> Executor:
    from tunec.executing.ray import OnRay

    return OnRay(execution)


_EXECUTORS: dict[str, Callable[[Mapping[str, Any]], Executor]] = {
    "local": _local,
    "remote_ssh": _remote_ssh,
    "slurm": _slurm,
    "ray": _ray,
}
