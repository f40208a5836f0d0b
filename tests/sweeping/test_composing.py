"""Jobs are composed in one go, and each is what Hydra makes of it alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

from tunec.sweeping import app
from tunec.sweeping.composing import Quick
from tunec.workspace import shipped

TASK = {"task_name": "slots", "training": {"lora": {"r": 16}, "epochs": 1}, "quantization": {"formats": ["q8_0"]}}


@pytest.mark.parametrize(
    "job",
    [
        ["++training.lora.r=8", "++quantization.formats=q4_k_m"],
        ["++training.lora.r=8", "+sweep=rank", "++training.learning_rate=1e-4"],
        ["++quantization.formats=[q8_0,q4_k_m]", "++training.base_model='a, b'"],
        ["+sweep=learning_rate"],
        [],
    ],
)
def test_a_job_is_what_hydra_composes(job: list[str], tmp_path: Path) -> None:
    app._store(tmp_path, TASK)
    with initialize_config_dir(str(shipped()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        assert isinstance(loader, ConfigLoaderImpl)
        given = ["hydra.sweep.dir=out", "++training.seed=3"]
        master = loader.load_configuration(app.CONFIG, given, RunMode.MULTIRUN)
        quick = Quick(loader)
        for _ in range(2):  # what one job sets is not in the next
            assert OmegaConf.to_yaml(quick.load_sweep_config(master, job)) == OmegaConf.to_yaml(
                loader.load_sweep_config(master, job)
            )
            quick.load_sweep_config(master, ["++training.epochs=9", *job])
