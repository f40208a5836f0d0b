"""On this machine: in the process that DVC started, or in a warm one's fork."""

from __future__ import annotations

from tunec.executing import warm
from tunec.executing.base import Job


class Local:
    def run(self, job: Job) -> int:
        code = warm.run(job.stage)
        if code is not None:
            return code
        from stages import runner

        return runner.main(job.stage)
