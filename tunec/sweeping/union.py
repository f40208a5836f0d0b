"""A batch of jobs as one task with a sweep: compiled, built, and measured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler import Compiled
from compiler.sweep import FORMATS
from stages.diagnostics import Diagnostic, UserError, fail
from stages.trials import Trial
from tunec.alone import alone
from tunec.compiling import compile_here, compile_workspace
from tunec.showing import show
from tunec.sweeping import jobs
from tunec.sweeping.jobs import Values


@dataclass(frozen=True)
class Options:
    """How a sweep is built. jobs: stages side by side; budget: such as 2h; plan: look only, as JSON or as text;
    skip_invalid: leave out variants that do not validate; rate: what an hour of this machine costs; dev_only: build as
    far as the predictions on dev; tolerant: a job that fails has no value, and that is all.
    """

    jobs: int = 1
    budget: str | None = None
    plan: bool = False
    as_json: bool = False
    skip_invalid: bool = False
    rate: float | None = None
    dev_only: bool = False
    tolerant: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of a job: its variant and its files, as far as they were measured on dev."""

    job: Mapping[str, Any]
    variant: str | None
    trials: tuple[Trial, ...]
    metric: str

    @property
    def best(self) -> Trial | None:
        return max(self.trials, key=lambda trial: (trial.quality["value"], trial.name), default=None)

    def value(self) -> float:
        """The primary metric on dev of its best file. Raises T512 when none was built."""
        if self.best is None:
            message = f"the variant {self.variant or 'of this job'} was not built"
            raise fail("T512", message, help="the message above says what failed")
        return float(self.best.quality["value"])

    def json(self) -> dict[str, Any]:
        found = {trial.name: dict(trial.quality) for trial in self.trials}
        return {"job": dict(self.job), "variant": self.variant, "metric": self.metric, "files": found}


@dataclass(frozen=True)
class Union:
    """What came of a batch. outcomes: one a job, in their order; stopped: what the build said when something in it
    failed; compiled: None where no job validated.
    """

    outcomes: Sequence[Outcome]
    trials: Sequence[Trial] = ()
    compiled: Compiled | None = None
    stopped: UserError | None = None


def build_union(root: Path, batch: Sequence[Values], options: Options) -> Union:
    """Build all jobs as one graph.

    Raises UserError when the task of the jobs does not compile; with `skip_invalid`, when none of them does.
    """
    from tunec.sweeping.budget import seconds_of
    from tunec.sweeping.results import measured

    seconds = seconds_of(options.budget) if options.budget else None
    whole = _whole(root, batch, none_is_well=options.tolerant) if options.skip_invalid else list(batch)
    if not whole and options.tolerant:
        return Union([Outcome(job, None, (), "") for job in batch])
    with alone(root):
        compiled, stopped = _built(root, whole, options, seconds)
    trials = measured(root, compiled)
    return Union(_outcomes(compiled, trials, batch, whole), trials, compiled, None if options.tolerant else stopped)


def _built(
    root: Path, whole: list[Values], options: Options, seconds: float | None
) -> tuple[Compiled, UserError | None]:
    """Compile the jobs and build them; with what stopped some of them."""
    from rich.console import Console

    from tunec import building
    from tunec.executing.sharing import shared
    from tunec.executing.sizing import slots

    overrides = jobs.as_overrides(whole)
    compiled, _ = compile_here(root, overrides)
    show([*compiled.warnings, *_all_one(whole, overrides)])
    building.report_to(root, compiled.task.execution.report_to)
    try:
        building.build_side_by_side(
            root,
            compiled.plan,
            _targets(compiled, options),
            Console(soft_wrap=True, stderr=options.as_json),
            shared(slots(options.jobs), compiled.task.execution),
            seconds,
        )
    except UserError as error:
        if not _may_go_on(error):
            raise
        return compiled, error
    return compiled, None


def _all_one(whole: Sequence[Values], overrides: Sequence[str]) -> list[Diagnostic]:
    """A word where several jobs turned out to be one."""
    if len(whole) == 1 or any(one.startswith("sweep=") for one in overrides):
        return []
    message = f"all {len(whole)} points of the sweep are one: {', '.join(overrides) or 'the task as it stands'}"
    return [Diagnostic("T501", message, help="remove what stands twice; it is built once", severity="warning")]


def _targets(compiled: Compiled, options: Options) -> list[str]:
    return [one.name for one in compiled.plan.instances if one.stage.name == "predict"] if options.dev_only else []


def plan_union(root: Path, batch: Sequence[Values], options: Options) -> None:
    """Print what building the jobs would do."""
    from tunec.sweeping.forecast import forecast

    whole = _whole(root, batch) if options.skip_invalid else list(batch)
    overrides = jobs.as_overrides(whole)
    show(_all_one(whole, overrides))
    found = forecast(root, overrides, options)
    print(json.dumps(found.json(), indent=2) if options.as_json else found.text())


def _whole(root: Path, batch: Sequence[Values], *, none_is_well: bool = False) -> list[Values]:
    """The jobs whose task validates; the others are told. Raises UserError when there is none, unless that is well."""
    kept: list[Values] = []
    found: list[Diagnostic] = []
    for job in batch:
        try:
            compile_workspace(root, jobs.as_overrides([job]))
            kept.append(job)
        except UserError as error:
            found += [_skipped(one, job) for one in error.diagnostics]
    if not kept and not none_is_well:
        raise UserError(*dict.fromkeys(found))
    show(list(dict.fromkeys(found)))
    return kept


def _skipped(found: Diagnostic, job: Values) -> Diagnostic:
    named = ", ".join(f"{key}={value}" for key, value in job.items())
    return Diagnostic(found.code, found.message, None, (*found.notes, f"left out: {named}"), found.help, "warning")


def _may_go_on(error: UserError) -> bool:
    """Whether some variants may have been built all the same: stages failed, or the time was up."""
    return any(one.code in ("T503", "T504") for one in error.diagnostics)


def _outcomes(
    compiled: Compiled, trials: Sequence[Trial], batch: Sequence[Values], whole: Sequence[Values]
) -> list[Outcome]:
    metric = compiled.task.success_criteria.primary_metric
    return [
        _outcome(job, compiled, trials, metric) if job in whole else Outcome(job, None, (), metric) for job in batch
    ]


def _outcome(job: Values, compiled: Compiled, trials: Sequence[Trial], metric: str) -> Outcome:
    """Of a job that is several points (`+sweep=NAME`), the files of all of them."""
    points = [{**point, **{k: v for k, v in job.items() if k != "sweep"}} for point in jobs.expanded(job.get("sweep"))]
    variants = list(dict.fromkeys(slug for point in points if (slug := _variant(point, compiled))))
    formats = {name for point in points for name in _formats(point)}
    found = tuple(t for t in trials if t.variant in variants and (not formats or t.values.get(FORMATS) in formats))
    return Outcome(job, ", ".join(variants) or None, found, metric)


def _variant(point: Values, compiled: Compiled) -> str | None:
    """The variant that a job became: the one whose values are all among the job's."""
    fitting = [
        (len(own), one.slug)
        for one in compiled.variants
        for own in (one.point, *one.also)
        if all(point.get(key) == value for key, value in own.items())
    ]
    return max(fitting)[1] if fitting else None


def _formats(point: Values) -> list[str]:
    given = point.get(FORMATS)
    return [given] if isinstance(given, str) else list(given or [])
