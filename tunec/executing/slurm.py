"""`execution.type: slurm`: each stage is a job of the cluster that this machine submits to, through submitit.

The nodes share this workspace's folder and see the same Python. A job's way there and back (pickles, by submitit) lies
in a folder of this user's own that is made for it and removed with it, never in the workspace.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compiler.execution import Execution, minutes
from stages.diagnostics import UserError, fail
from tunec.executing import tether
from tunec.executing.base import Job
from tunec.executing.cluster import end_with_parents, ended, require
from tunec.executing.queue import Watch

_JOBS = Path(".cache", "tunec", "jobs")  # below the home, which the nodes share
_LOST = {"TIMEOUT": "its time was over", "OUT_OF_MEMORY": "its memory was full", "CANCELLED": "it was cancelled"}


class Slurm:
    """cluster: `slurm`; `local` runs the same jobs as processes of this machine, for tests."""

    def __init__(self, execution: Mapping[str, Any], cluster: str = "slurm") -> None:
        self.execution, self.cluster = Execution(**execution), cluster

    def run(self, job: Job) -> int:
        """Raises T540 when the cluster takes no jobs, T541 when it ended one, T542 to T543."""
        require("submitit", "slurm")
        if self.cluster == "slurm" and shutil.which("sbatch") is None:
            help = "run it where `sbatch` works, or `tunec build execution.type=local`"
            raise fail("T540", "this machine submits to no Slurm cluster", help=help)
        home = Path.home() / _JOBS
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(prefix=f"{job.stage[:40]}-", dir=home) as folder:
            return self._run(tether.tied(job.root, job.stage), Path(folder))

    def parameters(self, stage: str) -> dict[str, Any]:
        """What submitit is told of a job."""
        wanted = self.execution
        found: dict[str, Any] = {"name": f"tunec-{stage}", "slurm_signal_delay_s": 30}
        if wanted.time:
            found["timeout_min"] = minutes(wanted.time)
        if wanted.gpus:
            found["gpus_per_node"] = wanted.gpus
        if wanted.partition:
            found["slurm_partition"] = wanted.partition
        if wanted.account:
            found["slurm_account"] = wanted.account
        return found

    def _run(self, job: tether.Tied, folder: Path) -> int:
        submitted = None
        with tether.Held(job) as held:
            try:
                submitted = self._submit(job, folder)
                watch = Watch(submitted.job_id, submitted.paths.result_pickle)
                end_with_parents(submitted.cancel)
                tether.wait(held, watch.over if self.cluster == "slurm" else submitted.done)
                return ended(job.stage, _code(submitted, watch))
            finally:
                if submitted is not None and not submitted.paths.result_pickle.exists():
                    submitted.cancel(check=False)

    def _submit(self, job: tether.Tied, folder: Path) -> Any:
        import submitit
        from submitit.core.utils import FailedJobError

        try:
            executor = submitit.AutoExecutor(folder=folder, cluster=self.cluster)
            executor.update_parameters(**self.parameters(job.stage))
            return executor.submit(tether.run, job)
        except (FailedJobError, OSError, RuntimeError) as error:
            notes = tuple(line for line in str(error).splitlines() if line.strip())[-3:]
            help = "mend what Slurm names: partition, account, time and gpus stand in `execution`"
            raise fail("T540", "Slurm does not take the job", notes=notes, help=help) from None


def _code(submitted: Any, watch: Watch) -> int:
    """Raises T541 when the cluster ended it."""
    if not watch.result.exists():
        raise _lost(submitted.job_id, watch.state)
    try:
        return int(submitted.result())
    except Exception as error:
        raise _lost(submitted.job_id, watch.state, str(error)) from None


def _lost(job: str, state: str, said: str = "") -> UserError:
    why = _LOST.get(state, f"Slurm calls it {state}")
    notes = tuple(line for line in said.splitlines() if line.strip())[-2:]
    help = "raise `execution.time`, or choose another partition, and build again: nothing of it was taken over"
    return fail("T541", f"job {job} ended without a result: {why}", notes=notes, help=help)
