"""Hydra composes a job's config from nothing, its own dozen files among them: a tenth of a second, and twice a job, for
a sweeper tries all of them before it launches any. The jobs of a sweep differ in a few values alone, so here what they
share is composed once, by Hydra, and the values of a job are set in a copy, by Hydra too.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omegaconf import DictConfig


class Quick:
    """Stands for Hydra's config loader. `++KEY=VALUE` sets a value; any other word may choose a config group, and is
    left to Hydra.
    """

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._shared: dict[tuple[str, ...], DictConfig] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: Sequence[str]) -> DictConfig:
        values = [word for word in sweep_overrides if word.startswith("++")]
        others = tuple(word for word in sweep_overrides if not word.startswith("++"))
        if others not in self._shared:
            self._shared[others] = self._loader.load_sweep_config(master_config, list(others))
        config = copy.deepcopy(self._shared[others])
        _set(config, values, list(sweep_overrides))
        return config


def _set(config: DictConfig, values: list[str], every: list[str]) -> None:
    """Set a job's values, and say so where Hydra says it."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides(every)
    given = set(values)
    ConfigLoaderImpl._apply_overrides_to_config([one for one in parsed if one.input_line in given], config)
    job, own = config.hydra.job, [one for one in parsed if not one.is_hydra_override()]
    config.hydra.overrides.task = [one.input_line for one in own]
    spelled = job.config.override_dirname
    job.override_dirname = get_overrides_dirname(
        overrides=own, kv_sep=spelled.kv_sep, item_sep=spelled.item_sep, exclude_keys=spelled.exclude_keys
    )
