"""Whether a Slurm job is over, asked of the queue: submitit asks accounting (`sacct`), which many clusters lack."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

_PAUSE = 5.0  # seconds between two looks at the queue
_LATE = 3  # looks after its end that a result may take to appear in a shared folder
_UNDER_WAY = ("PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "REQUEUED", "RESIZING", "STOPPED", "COMPLETING")


class Watch:
    """One job. result: the file that it leaves when it ends by itself. state: Slurm's last word on it."""

    def __init__(self, job: str, result: Path) -> None:
        self.job, self.result = job, result
        self.state = "PENDING"
        self._looked, self._late = time.monotonic(), 0

    def over(self) -> bool:
        """Whether there is a result, or will be none."""
        if self.result.exists():
            return True
        if time.monotonic() - self._looked > _PAUSE:
            self._looked = time.monotonic()
            self._late += self._has_ended()
        return self._late > _LATE

    def _has_ended(self) -> bool:
        """A controller that does not answer says nothing about the job."""
        command = ["squeue", "--noheader", "--states=all", "--format=%T", f"--jobs={self.job}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return "Invalid job id" in done.stderr
        self.state = done.stdout.strip() or self.state
        return not done.stdout.strip() or self.state not in _UNDER_WAY
