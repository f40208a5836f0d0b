"""On this machine, in the process that DVC started."""

from __future__ import annotations

from tunec.executing.base import Job


class Local:
    def run(self, job: Job) -> int:
        from stages import runner

        return runner.main(job.stage)
