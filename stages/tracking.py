"""Each step's figures to MLflow, Weights & Biases or TensorBoard, where a build is asked to (`execution.report_to`).

It is no part of what is built: `tunec build` says it to the stage in the environment, and no artifact knows of it.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from stages import parallel
from stages.diagnostics import fail

REPORT_TO = "TUNEC_REPORT_TO"  # names with commas between
RUN = "TUNEC_RUN"  # what the run is called there: the stage's name
Tell = Callable[[int, dict[str, float]], None]
_NEEDS = {"mlflow": "mlflow", "wandb": "wandb", "tensorboard": "tensorboard"}  # name -> what is imported


@contextmanager
def told() -> Iterator[Tell]:
    """A function that tells a step's figures to every tracker that is asked for; of several processes, the first one's.
    Raises T663 for one that is not installed."""
    names = [name for name in os.environ.get(REPORT_TO, "").split(",") if name and parallel.rank() == 0]
    with ExitStack() as stack:
        tellers = [stack.enter_context(_tracker(name)) for name in names]

        def tell_all(step: int, figures: dict[str, float]) -> None:
            for tell in tellers:
                tell(step, figures)

        yield tell_all


def _tracker(name: str) -> Any:
    if importlib.util.find_spec(_NEEDS[name]) is None:
        help = f"pip install 'tunec[{name}]', or take it out of execution.report_to"
        raise fail(
            "T663", f"execution.report_to names {name}, which is not installed", help=help, key="execution.report_to"
        )
    return {"mlflow": _mlflow, "wandb": _wandb, "tensorboard": _tensorboard}[name]()


def _run() -> str:
    return os.environ.get(RUN, "train")


@contextmanager
def _mlflow() -> Iterator[Tell]:
    """To MLFLOW_TRACKING_URI, else to build/logs/mlflow.db."""
    import mlflow

    if "MLFLOW_TRACKING_URI" not in os.environ:
        mlflow.set_tracking_uri(f"sqlite:///{Path('build', 'logs', 'mlflow.db')}")
    with mlflow.start_run(run_name=_run()):
        yield lambda step, figures: mlflow.log_metrics(figures, step=step)


@contextmanager
def _wandb() -> Iterator[Tell]:
    """As WANDB_PROJECT, WANDB_MODE and the like say."""
    import wandb

    project, folder = os.environ.get("WANDB_PROJECT", "tunec"), str(Path("build", "logs"))
    quiet = wandb.Settings(silent=True, console="off")  # what a stage prints is a build's own
    run = wandb.init(project=project, name=_run(), dir=folder, settings=quiet)
    try:
        yield lambda step, figures: run.log(figures, step=step)
    finally:
        run.finish()


@contextmanager
def _tensorboard() -> Iterator[Tell]:
    """Below build/logs/tensorboard/."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(Path("build", "logs", "tensorboard", _run())))

    def tell(step: int, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            writer.add_scalar(name, value, step)

    try:
        yield tell
    finally:
        writer.close()
