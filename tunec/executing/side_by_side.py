"""A build whose independent stages run side by side.

The guard runs first, then DVC says once which stages changed: those and all behind them are asked of DVC one by one, as
soon as what they read stands. Whether one of them runs, is restored or left alone is DVC's to say. A stage that fails
stops those that read it and no other.
"""

from __future__ import annotations

import json
import os
import selectors
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.diagnostics import UserError, fail
from tunec import dvc, sealing
from tunec.dvc import GUARD_STAGE, LOCKS, Event
from tunec.executing import sizing
from tunec.executing.base import Slots
from tunec.executing.schedule import Schedule, Task, above, below
from tunec.executing.workers import Worker, pool

_ALWAYS = ["always changed"]  # what DVC says of the guard when nothing else is to be said
_KEPT_OUT_SECONDS = 60.0  # how long another process may hold a lock before we give up on it


@dataclass(frozen=True)
class Ended:
    """How a build went. unchanged: stages that DVC was not even asked for. failed: stage -> its last lines. missed:
    stages that read a failed one; left: stages that the time did not suffice for.
    """

    unchanged: int
    failed: Mapping[str, tuple[str, ...]]
    missed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def run(
    root: Path,
    tasks: Mapping[str, Task],
    targets: list[str],
    slots: Slots,
    hear: Callable[[Event, str], None],
    tick: Callable[[], None],
    seconds: float | None = None,
    options: tuple[str, ...] = (),
) -> Ended:
    """Bring `targets` (or everything) up to date. seconds: begin nothing that would end later, and end what does.
    options: of `dvc repro`.

    Raises T406 when another build keeps us out, T405 when DVC cannot say what changed.
    """
    wanted = above(tasks, targets) if targets else set(tasks)
    workers = max(1, min(slots.jobs, len(wanted)))
    quiet = sealing.intact(root)  # then there may be nothing to do, and one worker sees it as well
    with pool(root, hear, options) as hire:
        crew = [hire() for _ in range(1 if quiet else workers)]
        build = _Build(root, crew, slots, hear, tick, time.monotonic() + seconds if seconds is not None else None)
        changed = _stale(build, sealed=quiet)
        behind = below(tasks, changed & tasks.keys()) & wanted
        stale = {name: task for name, task in tasks.items() if name in behind}
        if not stale:
            return Ended(len(wanted), {})
        crew += [hire() for _ in range(workers - len(crew))]
        try:
            return build.all(stale, len(wanted) - len(stale))
        finally:
            build.tidy()


def _stale(build: _Build, *, sealed: bool) -> set[str]:
    """The stages that DVC finds changed. sealed: nothing that the guard looks at has changed since it last ran, so it
    would say and write the same; it runs all the same where its dvc.lock does not know what it wrote.
    """
    if sealed:
        changed = _changed(build.alone(["status", "--json"], "status"))
        if changed.get(GUARD_STAGE) == _ALWAYS:
            return set(changed)
    build.alone(["--wait-for-lock", "repro", "--single-item", GUARD_STAGE], GUARD_STAGE)
    return set(_changed(build.alone(["status", "--json"], "status")))


def _changed(said: list[str]) -> dict[str, list[Any]]:
    """Stage -> what changed, as `dvc status --json` has it, less what DVC says around it."""
    text = "\n".join(said)
    try:
        return dict(json.loads(text[text.index("{") : text.rindex("}") + 1]))
    except ValueError:
        raise fail("T405", "the build stopped", notes=tuple(said[-3:]), help="mend what DVC names") from None


class _Build:
    """One build: who works on what."""

    def __init__(
        self,
        root: Path,
        crew: list[Worker],
        slots: Slots,
        hear: Callable[[Event, str], None],
        tick: Callable[[], None],
        until: float | None,
    ) -> None:
        self.root, self.crew, self.slots, self.hear, self.tick, self.until = root, crew, slots, hear, tick, until
        self.kept_out: dict[str, float] = {}  # stage -> when a lock first kept it out
        self.failed: dict[str, tuple[str, ...]] = {}

    def alone(self, command: list[str], what: str) -> list[str]:
        """Run one command to its end; gives what it said."""
        worker = self.crew[0]
        while True:
            worker.ask(command)
            code = self._answer(worker)
            if not code:
                return worker.said
            if not worker.was_kept_out or not self._waits(what):
                raise _stopped(worker, what)

    def tidy(self) -> None:
        """Each dvc.lock as DVC itself writes it. By a worker that nothing runs on, if there is one."""
        idle = [worker for worker in self.crew if worker.stage is None and worker.process.poll() is None]
        if idle:
            idle[0].ask(["tidy", *LOCKS])
            self._answer(idle[0])

    def all(self, stale: Mapping[str, Task], unchanged: int) -> Ended:
        schedule = Schedule(stale, self.slots)
        idle = list(self.crew)
        while not schedule.over:
            while idle and (task := schedule.take(self._within())):
                worker = idle.pop()
                worker.repro(task.name, self._environ(schedule.running[task.name]))
            if not schedule.running or self._late():
                break
            for worker in self._ended():
                self._took(worker, schedule)
                idle.append(worker)
        left = [*schedule.running, *schedule.left]
        return Ended(unchanged, self.failed, tuple(sorted(schedule.missed)), tuple(left))

    def _took(self, worker: Worker, schedule: Schedule) -> None:
        name, code = str(worker.stage), self._answer(worker)
        worker.stage = None
        if code and worker.was_kept_out and self._waits(name):
            schedule.again(name)
            return
        if code:
            self.failed[name] = _last(worker)
        self.hear("failed" if code else "done", name)
        schedule.end(name, well=not code)

    def _answer(self, worker: Worker) -> int:
        while not self._reads([worker]):
            self.tick()
        try:
            return worker.answer()
        except EOFError:
            return worker.process.wait() or 1

    def _ended(self) -> list[Worker]:
        """The workers whose command has ended; some time passes where none has."""
        found = self._reads([worker for worker in self.crew if worker.stage])
        self.tick()
        return found

    def _reads(self, workers: list[Worker]) -> list[Worker]:
        with selectors.DefaultSelector() as ready:
            for worker in workers:
                ready.register(worker.link, selectors.EVENT_READ, worker)
                if worker.process.stdout:
                    ready.register(worker.process.stdout, selectors.EVENT_READ, worker)
            found = [(key.fileobj, key.data) for key, _ in ready.select(timeout=0.2)]
        for _, worker in found:
            worker.read()
        return [worker for file, worker in found if file is worker.link]

    def _environ(self, held: tuple[int, ...]) -> dict[str, str]:
        """What a stage is told of its place: its GPUs, and how many threads leave room for the others."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, cores // len(self.crew)))
        names = sizing.gpus()
        seen = {"CUDA_VISIBLE_DEVICES": ",".join(names[gpu] for gpu in held if gpu < len(names))} if names else {}
        return {"OMP_NUM_THREADS": threads, **seen}

    def _waits(self, name: str) -> bool:
        """Whether what a lock kept out is to be tried again; a while passes."""
        first = self.kept_out.setdefault(name, time.monotonic())
        time.sleep(0.5)
        return time.monotonic() - first < _KEPT_OUT_SECONDS

    def _within(self) -> float | None:
        return None if self.until is None else self.until - time.monotonic()

    def _late(self) -> bool:
        return self.until is not None and time.monotonic() >= self.until


def _last(worker: Worker) -> tuple[str, ...]:
    errors = [line for line in worker.said if line.startswith("ERROR")]
    return tuple((errors or [line for line in worker.said if line.strip()])[-3:])


def _stopped(worker: Worker, what: str) -> UserError:
    if worker.was_kept_out:
        return dvc.busy()
    return fail("T405", "the build stopped", notes=_last(worker), help=f"run `dvc repro {what}` to see more")
