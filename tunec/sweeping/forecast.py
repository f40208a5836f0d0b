"""`tunec sweep --plan`: the union before anything starts: what is done, and what the rest takes by past runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from compiler.plan import Instance
from stages.counting import counted
from tunec import costing, dvc, dvc_lock, shown
from tunec.executing.schedule import Task, makespan
from tunec.executing.sharing import shared
from tunec.executing.sizing import slots, tasks
from tunec.looking import asked
from tunec.steps import Step

if TYPE_CHECKING:
    from compiler import Compiled
    from tunec.sweeping.union import Options


@dataclass(frozen=True)
class Kind:
    """The stages of one name in the union: how many there are, and how many of them are run, restored or left alone.
    seconds: of those that run, one after another; None where none of this name ever ran. bytes: that they will add.
    """

    name: str
    count: int
    run: int
    restored: int
    seconds: float | None
    bytes: int | None


@dataclass(frozen=True)
class Forecast:
    """variants: models that are trained. alone: stages that the variants would run, each for itself. seconds: with
    `jobs` stages side by side, of those of which it is known; unknown: kinds of which it is not. rate: an hour's price;
    currency: its own, where it is known.
    """

    variants: int
    files: int
    kinds: Sequence[Kind]
    alone: int
    jobs: int
    seconds: float
    unknown: Sequence[str]
    rate: float | None
    currency: str = ""

    @property
    def cost(self) -> float | None:
        return None if self.rate is None else self.seconds / 3600 * self.rate

    @property
    def bytes(self) -> int:
        return sum(kind.bytes or 0 for kind in self.kinds)

    def json(self) -> dict[str, Any]:
        kinds = [vars(kind) for kind in self.kinds]
        told = {"variants": self.variants, "files": self.files, "stages": kinds, "alone": self.alone}
        spent: dict[str, Any] = {"jobs": self.jobs, "seconds": self.seconds, "bytes": self.bytes, "cost": self.cost}
        spent |= {"currency": self.currency} if self.currency else {}
        return {**told, **spent, "unknown": list(self.unknown)}

    def text(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        union = sum(kind.count for kind in self.kinds)
        many = f"{counted(self.variants, 'variant')}, {counted(self.files, 'file')}"
        yield f"{many}: {union} stages; each file a build of its own: {self.alone}"
        yield ""
        width = max(len(kind.name) for kind in self.kinds)
        yield f"{'':<{width}}  stages  run  restored  time        disk"
        for kind in self.kinds:
            time = "" if not kind.run else "unknown" if kind.seconds is None else shown.duration(kind.seconds)
            disk = "" if not kind.run else "unknown" if kind.bytes is None else _size(kind.bytes)
            counts = f"{kind.count:>6}  {kind.run:>3}  {kind.restored:>8}"
            yield f"{kind.name:<{width}}  {counts}  {time:<10}  {disk}".rstrip()
        yield ""
        yield self._sum()

    def _sum(self) -> str:
        running = sum(kind.run for kind in self.kinds)
        if not running:
            return "nothing to run"
        aside = f", and {shown.names(self.unknown)} of which that is not known" if self.unknown else ""
        many = counted(running, "stage")
        if not self.seconds and self.unknown:
            return f"{many} to run; how long is not known, they never ran"
        paid = f"{self.currency} " if self.currency else ""
        cost = f", {paid}{self.cost:.2f} at {self.rate:g} an hour" if self.cost is not None else ""
        side = f" with {self.jobs} side by side" if self.jobs > 1 else ""
        return f"{many} to run: about {shown.duration(self.seconds)}{side}, {_size(self.bytes)}{cost}{aside}"


def forecast(root: Path, overrides: list[str], options: Options) -> Forecast:
    """Look, and write nothing. Raises UserError when the task does not compile, T401 without DVC."""
    from tunec.planning import steps
    from tunec.showing import show

    with dvc.started(root) as waiting, asked(root, overrides) as (compiled, texts):
        show(compiled.warnings)
        found = {step.name: step for step in steps(root, compiled, dvc.ask_status(waiting, texts))}
        sizes = dict(_sizes(dvc_lock.stages(root)))
    work = tasks(root, compiled.plan)
    running = {name: task for name, task in work.items() if found[name].runs}
    kinds = list(_kinds(compiled.plan.instances, found, work, sizes))
    return Forecast(
        len(compiled.variants),
        sum(one.stage.name == "quantize" for one in compiled.plan.instances),
        kinds,
        _alone(compiled.plan.instances),
        options.jobs,
        makespan(running, shared(slots(options.jobs), compiled.task.execution)),
        [kind.name for kind in kinds if kind.run and kind.seconds is None],
        *_rate(compiled, options),
    )


def _rate(compiled: Compiled, options: Options) -> tuple[float | None, str]:
    """An hour's price and its currency: what was said on the command line, else what `cost` says."""
    return (options.rate, "") if options.rate is not None else costing.hour(compiled)


def _kinds(
    instances: Sequence[Instance], found: Mapping[str, Step], work: Mapping[str, Task], sizes: Mapping[str, int]
) -> Iterator[Kind]:
    groups: dict[str, list[Instance]] = {}
    for one in instances:
        groups.setdefault(one.stage.name, []).append(one)
    for name, group in groups.items():
        states = Counter(found[one.name].state for one in group)
        running = [work[one.name] for one in group if found[one.name].runs]
        known = [task.seconds for task in running if task.seconds is not None]
        seconds = sum(known) if len(known) == len(running) else None
        alike = [sizes[one.name] for one in group if one.name in sizes]
        added = int(median(alike) * len(running)) if alike else None
        yield Kind(name, len(group), states["run"], states["restored"], seconds, added if running else 0)


def _sizes(locked: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Stage -> the bytes of its outputs when it last ran."""
    for name, entry in locked.items():
        outs = entry.get("outs", ()) if isinstance(entry, Mapping) else ()
        yield name, sum(int(out.get("size") or 0) for out in outs)


def _alone(instances: Sequence[Instance]) -> int:
    """How many stages run when every file is a build of its own."""
    by_name = {one.name: one for one in instances}
    last = [one for one in instances if one.stage.name == "predict" and one.at.quantization]
    last = last or [one for one in instances if one.stage.name == "predict" and one.at.candidate == "f16"]
    return sum(_is_of(one, file, _model(file, by_name)) for file in last for one in instances)


def _is_of(one: Instance, file: Instance, model: str | None) -> bool:
    """Whether a stage would be in the build of that file alone."""
    return (
        one.at.variant in (None, file.at.variant)
        and one.at.model in (None, model)
        and one.at.quantization in (None, file.at.quantization)
    )


def _model(file: Instance, by_name: Mapping[str, Instance]) -> str | None:
    """The base model of a file, by the stage that it comes from."""
    found, waiting = {file.name}, [file.name]
    for name in waiting:
        if by_name[name].stage.name == "model":
            return by_name[name].at.model
        new = [before for before in by_name[name].after if before in by_name and before not in found]
        found.update(new)
        waiting += new
    return None


def _size(count: int) -> str:
    from stages.page import size

    return size(count)
