"""`hydra/sweeper=optuna`: points that follow from those before them, in batches of one graph each.

Hydra's released plugin (hydra-optuna-sweeper 1.3.0) wants optuna below 3, whose storages need an SQLAlchemy that no
longer fits beside today's libraries, and it cannot prune. So this is a sweeper of our own on Optuna 4 or later: the
study lies in a journal, a file that a killed run leaves whole, and goes on where it is.

Pruning tries each point with a third of the epochs first. Only what is among the better third of all that came so far
is trained to the end: successive halving, whose rungs are ordinary variants, cached like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.diagnostics import UserError, fail
from tunec.compiling import compile_workspace

EPOCHS = "training.epochs"
_FACTOR = 3  # one in three goes on, with three times the epochs
_RUNGS = (1, _FACTOR)


@dataclass(frozen=True)
class Options:
    """As hydra_plugins/tunec_sweeps.py tells them."""

    n_trials: int = 20
    n_jobs: int = 4
    seed: int = 0
    study_name: str = "sweep"
    storage: str = "build/sweeps/optuna.journal"
    pruning: bool = True
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Space:
    """What is searched, by Hydra's key (`++training.lora.r`): Optuna's distributions; and the words that stay."""

    searched: Mapping[str, Any]
    fixed: Sequence[str]


def search(sweeper: Any, options: Options, arguments: list[str]) -> None:
    """Try points until the study has n_trials of them, then build all that were trained to the end as one sweep.

    Raises UserError: T518 without Optuna, T519 when nothing is searched.
    """
    optuna = _optuna()
    space = _space([*(f"{key}={value}" for key, value in options.params.items()), *arguments])
    if not space.searched:
        help = "search some key: training.learning_rate=interval(1e-4,1e-2), training.lora.r=choice(8,16)"
        raise fail("T519", "there is nothing to search", help=help)
    study = _study(optuna, options)
    epochs = _epochs(space) if options.pruning else None
    number = len(study.trials)
    while (left := options.n_trials - _over(optuna, study)) > 0:
        batch = [study.ask(dict(space.searched)) for _ in range(min(left, options.n_jobs))]
        number = _try(optuna, study, sweeper, space, batch, epochs, number)
    _finish(optuna, study, sweeper, space, number)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise fail("T518", "Optuna is not installed", help="pip install 'tunec[optuna]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _study(optuna: Any, options: Options) -> Any:
    """The study of this name, made or taken up. Points that a killed run left open are tried again."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    file = Path(options.storage)
    file.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name=options.study_name,
        storage=JournalStorage(JournalFileBackend(str(file))),
        sampler=optuna.samplers.TPESampler(seed=options.seed, constant_liar=True),
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=_FACTOR),
        direction="maximize",
        load_if_exists=True,
    )
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        study.enqueue_trial(trial.params)
    return study


def _over(optuna: Any, study: Any) -> int:
    """Trials that count: a point that could not be built counts too, or a broken space would be searched for ever."""
    states = optuna.trial.TrialState
    redone = (states.RUNNING, states.WAITING)
    return sum(trial.state not in redone and bool(trial.params) for trial in study.trials if not _cut_off(trial))


def _cut_off(trial: Any) -> bool:
    """Whether a killed run left it, so that its point was tried again under another number."""
    return trial.state.name == "FAIL" and "tried" not in trial.user_attrs


def _try(
    optuna: Any, study: Any, sweeper: Any, space: Space, batch: list[Any], epochs: float | None, number: int
) -> int:
    """Build a batch, rung by rung. Gives the number of the next job."""
    states = optuna.trial.TrialState
    for rung in _RUNGS if epochs else _RUNGS[-1:]:
        jobs = [_words(space, trial.params, epochs and epochs * rung / _RUNGS[-1]) for trial in batch]
        values = _values(sweeper, jobs, number)
        number += len(jobs)
        going_on = []
        for trial, value in zip(batch, values, strict=True):
            trial.set_user_attr("tried", True)
            if value is None:
                study.tell(trial, state=states.FAIL)
                continue
            trial.report(value, rung)
            if rung == _RUNGS[-1]:
                study.tell(trial, value)
            elif trial.should_prune():
                study.tell(trial, state=states.PRUNED)
            else:
                going_on.append(trial)
        batch = going_on
        if not batch:
            break
    return number


def _values(sweeper: Any, jobs: list[list[str]], number: int) -> list[float | None]:
    """Each job's primary metric on dev; None of one that could not be built. Nothing behind the predictions is run."""
    sweeper.launcher.options |= {"dev_only": True, "tolerant": True, "skip_invalid": True}
    found: list[float | None] = []
    for ended in sweeper.launcher.launch(jobs, initial_job_idx=number):
        try:
            found.append(float(ended.return_value))
        except UserError:
            found.append(None)
    return found


def _finish(optuna: Any, study: Any, sweeper: Any, space: Space, number: int) -> None:
    """All that were trained to the end as one sweep, chosen from and reported; and Hydra's own summary."""
    done = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    if not done:
        raise fail("T512", "no point of the search was built", help="the messages above say what failed")
    sweeper.launcher.options |= {"dev_only": False, "tolerant": False, "skip_invalid": False}
    jobs = list(dict.fromkeys(tuple(_words(space, trial.params, None)) for trial in done))
    sweeper.launcher.launch([list(job) for job in jobs], initial_job_idx=number)
    best = study.best_trial
    params = {key.lstrip("+"): value for key, value in best.params.items()}
    found = {"name": "optuna", "best_params": params, "best_value": best.value}
    from omegaconf import OmegaConf

    OmegaConf.save(OmegaConf.create(found), Path(sweeper.config.hydra.sweep.dir) / "optimization_results.yaml")


def _words(space: Space, params: Mapping[str, Any], epochs: float | None) -> list[str]:
    """A trial's words. epochs: instead of those that it, or the task, would be trained for."""
    words = [*space.fixed, *(f"{key}={value}" for key, value in params.items())]
    if epochs is None:
        return words
    own = params.get(f"++{EPOCHS}")
    share = epochs if own is None else epochs * float(own)
    return [*(word for word in words if not word.lstrip("+").startswith(f"{EPOCHS}=")), f"++{EPOCHS}={share:.4g}"]


def _epochs(space: Space) -> float:
    """The epochs of the task with the words that stay; 1 where they are searched, so that a share is what is left."""
    if f"++{EPOCHS}" in space.searched:
        return 1.0
    given = [word.lstrip("+") for word in space.fixed if word.lstrip("+").startswith(f"{EPOCHS}=")]
    return float(given[-1].partition("=")[2]) if given else compile_workspace(Path(), []).task.training.epochs


# ---------------------------------------------------------------- Hydra's grammar -> Optuna's distributions


def _space(words: Sequence[str]) -> Space:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    searched: dict[str, Any] = {}
    fixed: list[str] = []
    for override in OverridesParser.create().parse_overrides(list(words)):
        if override.is_hydra_override():
            continue
        if override.is_sweep_override():
            searched[override.get_key_element()] = _distribution(override)
        else:
            fixed.append(f"{override.get_key_element()}={override.get_value_element_as_str()}")
    return Space(searched, fixed)


def _distribution(override: Any) -> Any:
    from hydra.core.override_parser.types import Transformer
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not override.is_interval_sweep():  # choices, and ranges, of which Hydra leaves out the end
        return CategoricalDistribution(list(override.sweep_iterator(transformer=Transformer.encode)))
    given = override.value()
    log = "log" in given.tags
    if isinstance(given.start, int) and isinstance(given.end, int):
        return IntDistribution(given.start, given.end, log=log)
    return FloatDistribution(float(given.start), float(given.end), log=log)
