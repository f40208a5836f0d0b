"""What the launcher does with a batch of Hydra's jobs: one graph, one build, and Hydra's own folder for each job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.diagnostics import fail
from stages.rows import write_json
from tunec.sweeping import jobs
from tunec.sweeping.union import Options, Outcome, Union, build_union, plan_union

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn
    from hydra.types import HydraContext
    from omegaconf import DictConfig

__all__ = ["Options", "build_one", "launch"]
RESULT = "result.json"


@dataclass(frozen=True)
class Composed:
    """A job: its config as Hydra composed it, and what that says otherwise than the task."""

    config: DictConfig
    values: jobs.Values


def launch(
    context: HydraContext, config: DictConfig, options: Options, overrides: Sequence[Sequence[str]], first: int
) -> Sequence[JobReturn]:
    """Build all jobs of a batch. first: the number of its first job.

    Raises what the compiler says of their task. When stages failed, the jobs that did not need them have their results
    first; then the build's own words are raised.
    """
    from tunec.sweeping.app import plain_task

    root = Path()
    task = plain_task(root)
    composed = [_composed(context, config, list(one), first + place, task) for place, one in enumerate(overrides)]
    if options.plan:
        plan_union(root, [job.values for job in composed], options)
        return [_planned() for _ in composed]
    union = build_union(root, [job.values for job in composed], options)
    returns = [_ended(context, job, outcome) for job, outcome in zip(composed, union.outcomes, strict=True)]
    _tell(union, options)
    return returns


def build_one(root: Path, config: DictConfig, words: Sequence[str]) -> float:
    """A run without -m: one job, built as a batch of one."""
    from hydra.core.hydra_config import HydraConfig

    from tunec.sweeping.app import plain_task

    options = Options(**{key: value for key, value in HydraConfig.get().launcher.items() if key != "_target_"})
    given = [word for word in words if not word.startswith("-") and "hydra" not in word.split("=")[0]]
    values = jobs.values(_plain(config), plain_task(root), given)
    if options.plan:
        plan_union(root, [values], options)
        return 0.0
    union = build_union(root, [values], options)
    _tell(union, options)
    return union.outcomes[0].value()


def _tell(union: Union, options: Options) -> None:
    """Print what was measured; a search does at its end. Raises what the build said when something in it failed."""
    from tunec.sweeping import showing

    if union.stopped:
        raise union.stopped
    if union.compiled and not options.dev_only:
        showing.tell(showing.of(union.compiled, union.trials), as_json=options.as_json)


def _composed(context: HydraContext, config: DictConfig, given: list[str], number: int, task: Any) -> Composed:
    from omegaconf import open_dict

    found = context.config_loader.load_sweep_config(config, given)
    with open_dict(found):
        found.hydra.job.id = found.hydra.job.num = number
    plain = _plain(found)
    plain.pop("hydra")
    return Composed(found, jobs.values(plain, task, given))


def _plain(config: DictConfig) -> dict[str, Any]:
    """Nothing is resolved: `${oc.env:SECRET}` stays a text, which the compiler refuses."""
    from omegaconf import OmegaConf

    found = OmegaConf.to_container(config, resolve=False)
    if not isinstance(found, dict):
        raise fail("T511", "Hydra: the config is no mapping", help="write KEY=VALUE")
    return {str(key): value for key, value in found.items()}


def _ended(context: HydraContext, job: Composed, outcome: Outcome) -> JobReturn:
    """Hydra's own record of a job (.hydra/, callbacks, what the sweeper reads), and its result beside it."""
    from hydra.core.utils import run_job

    ended = run_job(
        hydra_context=context,
        task_function=lambda config: outcome.value(),
        config=job.config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
        configure_logging=False,
    )
    if ended.hydra_cfg is not None:
        write_json(Path(ended.hydra_cfg.hydra.runtime.output_dir) / RESULT, outcome.json())
    return ended


def _planned() -> JobReturn:
    from hydra.core.utils import JobReturn, JobStatus

    nothing = JobReturn(status=JobStatus.COMPLETED)
    nothing.return_value = None
    return nothing
