"""`execution.type: ray`: each stage is a task of a Ray cluster whose nodes share this workspace's folder."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from typing import Any

from compiler.execution import Execution
from stages.diagnostics import fail
from tunec.executing import tether
from tunec.executing.base import Job
from tunec.executing.cluster import end_with_parents, ended, require

_REACH = 10.0  # seconds


class OnRay:
    def __init__(self, execution: Mapping[str, Any]) -> None:
        self.execution = Execution(**execution)

    def run(self, job: Job) -> int:
        """Raises T544 when there is no cluster, T545 when it lost the task, T542 and T543."""
        require("ray", "ray")
        import ray

        self._connect()
        try:
            return self._run(tether.tied(job.root, job.stage))
        finally:
            ray.shutdown()

    def options(self, stage: str) -> dict[str, Any]:
        """What Ray is told of a task. A stage that failed is DVC's to run again."""
        return {"name": f"tunec {stage}", "num_gpus": self.execution.gpus or 0, "max_retries": 0}

    def _connect(self) -> None:
        import ray

        address = self.execution.address or "auto"
        try:
            _reach(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
        except Exception as error:  # Ray has a dozen kinds of it
            notes = tuple(line for line in str(error).splitlines() if line.strip())[:3]
            help = "start one (`ray start --head`), or name it in `execution.address`"
            raise fail("T544", f"there is no Ray cluster at `{address}`", notes=notes, help=help) from None

    def _run(self, job: tether.Tied) -> int:
        import ray
        from ray.exceptions import RayError

        with tether.Held(job) as held:
            waiting = ray.remote(tether.run).options(**self.options(job.stage)).remote(job)
            try:
                end_with_parents(lambda: ray.cancel(waiting, force=True))
                tether.wait(held, lambda: bool(ray.wait([waiting], timeout=0)[0]))
                return ended(job.stage, int(ray.get(waiting)))
            except RayError as error:
                notes = tuple(line for line in str(error).splitlines() if line.strip())[:3]
                help = "look at the node that ran it, often a lack of memory, and build again"
                raise fail("T545", f"Ray lost the task of {job.stage}", notes=notes, help=help) from None


def _reach(address: str) -> None:
    """Raises OSError where nobody listens: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host:
        socket.create_connection((host, int(port)), timeout=_REACH).close()
