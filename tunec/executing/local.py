"""On this machine: in the process that DVC started, or in a warm one's fork."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tunec.executing import warm
from tunec.executing.base import Job


class Local:
    """parallel, processes: of `execution`; a training asks the environment for them (stages/parallel.py)."""

    def __init__(self, execution: Mapping[str, Any]) -> None:
        self._parallel = f"{execution['parallel']}:{execution.get('processes', '')}" if "parallel" in execution else ""

    def run(self, job: Job) -> int:
        if self._parallel:
            os.environ["TUNEC_PARALLEL"] = self._parallel
        code = warm.run(job.stage)
        if code is not None:
            return code
        from stages import runner

        return runner.main(job.stage)
