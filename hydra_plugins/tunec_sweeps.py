"""What Hydra finds of tunec: it takes its plugins from packages of this name and from nowhere else.

`hydra/launcher=tunec` takes all jobs of a batch and builds them as one graph; `hydra/sweeper=optuna` searches. The work
is done in tunec/sweeping/.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

# Hydra runs this file before it is a module of its own, which dataclasses do not bear: so plain mappings.
# jobs: stages side by side. budget: such as 2h, null for no end. plan: print what would be done, and do nothing.
# skip_invalid: build the variants that are whole, and name the others. rate: what an hour of this machine costs.
LAUNCHER = {
    "_target_": "hydra_plugins.tunec_sweeps.UnionLauncher",
    "jobs": 1,
    "budget": None,
    "plan": False,
    "as_json": False,
    "skip_invalid": False,
    "rate": None,
}
# n_trials: points that are tried. n_jobs: points of one batch, which are one graph. study_name and storage: a study
# goes on where the file is. pruning: first try with a part of the epochs, and go on with those that promise.
SWEEPER = {
    "_target_": "hydra_plugins.tunec_sweeps.OptunaSweeper",
    "n_trials": 20,
    "n_jobs": 4,
    "seed": 0,
    "study_name": "sweep",
    "storage": "build/sweeps/optuna.journal",
    "pruning": True,
    "params": {},
}
store = ConfigStore.instance()
store.store(group="hydra/launcher", name="tunec", node=LAUNCHER, provider="tunec")
store.store(group="hydra/sweeper", name="optuna", node=SWEEPER, provider="tunec")


class UnionLauncher(Launcher):
    """All jobs of a batch as one graph, in which what they share is built once."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options
        self.context: tuple[HydraContext, DictConfig] | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from tunec.sweeping.composing import Quick

        loader: Any = Quick(hydra_context.config_loader)
        hydra_context.config_loader = loader  # the sweeper's too: it is one object
        self.context = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from tunec.sweeping.launching import Options, launch

        if self.context is None:
            raise RuntimeError("Hydra calls setup first")
        return launch(*self.context, Options(**self.options), job_overrides, initial_job_idx)


class OptunaSweeper(Sweeper):
    """Points that follow from those before them."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from hydra.core.plugins import Plugins

        self.config, self.hydra_context = config, hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        from tunec.sweeping.study import Options, search

        return search(self, Options(**self.options), arguments)
