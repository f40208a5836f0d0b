"""Which stage runs next, of those whose inputs stand: the one that the longest way to the end begins with.

Nothing is run here, and no time passes: a test can play a whole build.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tunec.executing.base import Needs, Slots

NOTHING = Needs()
UNKNOWN_SECONDS = 1.0  # of a stage that never ran, beside others that did


@dataclass(frozen=True)
class Task:
    """A stage to run. after: the stages that it reads; seconds: what it took of late, None where it never ran."""

    name: str
    after: frozenset[str] = frozenset()
    needs: Needs = NOTHING
    seconds: float | None = None


@dataclass
class Schedule:
    """The stages of a build. Each ends in one of done, failed (it broke) and missed (something that it reads did)."""

    tasks: Mapping[str, Task]
    slots: Slots
    running: dict[str, tuple[int, ...]] = field(default_factory=dict)  # stage -> the GPUs that it holds
    done: set[str] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    missed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._readers: dict[str, list[str]] = {name: [] for name in self.tasks}
        for task in self.tasks.values():
            for before in task.after & self.tasks.keys():
                self._readers[before].append(task.name)
        self._way: dict[str, float] = {}
        for name in reversed(list(self._in_order())):
            seconds = self.tasks[name].seconds
            below = max((self._way[reader] for reader in self._readers[name]), default=0.0)
            self._way[name] = below + (UNKNOWN_SECONDS if seconds is None else seconds)
        self._open = {name: len(task.after & self.tasks.keys()) for name, task in self.tasks.items()}
        self._ready = [name for name, open_ in self._open.items() if not open_]

    @property
    def over(self) -> bool:
        return len(self.done) + len(self.failed) + len(self.missed) == len(self.tasks)

    @property
    def left(self) -> list[str]:
        """What has not begun, and still could."""
        ended = self.done | set(self.failed) | self.missed | self.running.keys()
        return [name for name in self.tasks if name not in ended]

    def take(self, within: float | None = None) -> Task | None:
        """The next stage to run, which counts as running from now on; None where none is ready or none fits beside
        those that run. within: the seconds that are left; what is known to take longer is not begun.
        """
        fitting = [name for name in self._ready if self._fits(self.tasks[name]) and _ends(self.tasks[name], within)]
        if not fitting or len(self.running) >= self.slots.jobs:
            return None
        name = max(fitting, key=lambda one: (self._way[one], one))
        self._ready.remove(name)
        self.running[name] = self._free_gpus()[: self.tasks[name].needs.gpus]
        return self.tasks[name]

    def end(self, name: str, *, well: bool) -> None:
        del self.running[name]
        if not well:
            self.failed.append(name)
            self._miss(name)
            return
        self.done.add(name)
        for reader in self._readers[name]:
            self._open[reader] -= 1
            if not self._open[reader] and reader not in self.missed:
                self._ready.append(reader)

    def again(self, name: str) -> None:
        """It could not begin: to be taken once more."""
        del self.running[name]
        self._ready.append(name)

    def _miss(self, name: str) -> None:
        for reader in self._readers[name]:
            if reader not in self.missed:
                self.missed.add(reader)
                self._miss(reader)

    def _fits(self, task: Task) -> bool:
        """Whether there is room; what no room is enough for runs alone."""
        if not self.running:
            return True
        memory = sum(self.tasks[name].needs.memory for name in self.running) + task.needs.memory
        gpus = min(task.needs.gpus, self.slots.gpus)  # where there are none, it computes without
        return gpus <= len(self._free_gpus()) and (self.slots.memory is None or memory <= self.slots.memory)

    def _free_gpus(self) -> tuple[int, ...]:
        taken = {gpu for held in self.running.values() for gpu in held}
        return tuple(gpu for gpu in range(self.slots.gpus) if gpu not in taken)

    def _in_order(self) -> Iterable[str]:
        """Every stage after those that it reads."""
        open_ = {name: len(task.after & self.tasks.keys()) for name, task in self.tasks.items()}
        ready = [name for name, many in open_.items() if not many]
        for name in ready:  # it grows while it is walked
            for reader in self._readers[name]:
                open_[reader] -= 1
                if not open_[reader]:
                    ready.append(reader)
        return ready


def _ends(task: Task, within: float | None) -> bool:
    return within is None or (task.seconds or 0.0) <= within


def makespan(tasks: Mapping[str, Task], slots: Slots) -> float:
    """Seconds that a build takes with these slots, when every stage takes what it took of late."""
    schedule, now = Schedule(tasks, slots), 0.0
    ends: dict[str, float] = {}
    while not schedule.over:
        while task := schedule.take():
            ends[task.name] = now + (task.seconds or 0.0)
        name = min(ends, key=lambda one: (ends[one], one))
        now = ends.pop(name)
        schedule.end(name, well=True)
    return now


def below(tasks: Mapping[str, Task], begin: Iterable[str]) -> set[str]:
    """These stages, and all that read them, however far behind."""
    found = set(begin)
    readers: dict[str, list[str]] = {}
    for task in tasks.values():
        for before in task.after:
            readers.setdefault(before, []).append(task.name)
    waiting = list(found)
    for name in waiting:  # it grows while it is walked
        new = [reader for reader in readers.get(name, ()) if reader not in found]
        found.update(new)
        waiting += new
    return found


def above(tasks: Mapping[str, Task], targets: Iterable[str]) -> set[str]:
    """These stages, and all that they read, however far before."""
    found = set(targets)
    waiting = list(found)
    for name in waiting:
        new = [before for before in tasks[name].after if before in tasks and before not in found]
        found.update(new)
        waiting += new
    return found
