"""What an executor is: it runs one stage command of a workspace, and gives its exit code.

Loaded by every stage, so it needs the standard library alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Job:
    """One stage command. root: the workspace, which holds dvc.yaml, params.yaml and the stage's inputs; there its
    outputs are to stand when it ends with 0. stage: its name in dvc.yaml.
    """

    root: Path
    stage: str


@dataclass(frozen=True)
class Slots:
    """What stages that run side by side share. jobs: how many may run; gpus: how many there are, each for one stage at
    a time; memory: bytes of main memory, None where nobody counts them.
    """

    jobs: int = 1
    gpus: int = 0
    memory: int | None = None


@dataclass(frozen=True)
class Needs:
    """What one stage takes of the slots while it runs. memory: bytes, 0 where that is not known."""

    gpus: int = 0
    memory: int = 0


class Executor(Protocol):
    """A place where stage commands run. It is made anew for each command, in the process that DVC started."""

    def run(self, job: Job) -> int:
        """Run a stage to its end: 0 when its outputs stand whole in the workspace, else they are as they were.

        Ends with the process that it runs in: whatever it began elsewhere stops too. A mistake that a person can mend
        is a UserError, which `tunec run` words.
        """
        ...
