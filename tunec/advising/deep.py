"""`tunec advise --deep`: the task's own training on growing parts of its train rows, asked the dev rows.

An eighth, a quarter and a half of the train rows are drawn twice, all of them once: together 2.75 trainings. Each is a
trial that the stages `train` and `predict` do, with the parameters that a build gives them; its answers stay in
build/advice/, named by all that they come from, so that none is done twice. The test rows have no part in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from statistics import NormalDist

from rich.console import Console

from compiler import Compiled
from compiler.plan import BUILD, Instance
from stages.base import READ
from stages.counting import counted
from stages.diagnostics import fail
from stages.rows import read_rows
from tunec.advising import trials
from tunec.advising.curve import LEAST, Curve, Point
from tunec.advising.measuring import Measured, stated
from tunec.advising.trials import Draw, Studied


def measured(root: Path, compiled: Compiled, overrides: Sequence[str]) -> Measured:
    """The curve of the first variant's base model. Raises T940 for too few rows, T941 where a teacher or a judge would
    have to be asked first, T942 for a metric that is no share, T943 for a trial that the system ended, and what the
    stages raise: T303 without dev rows, T332 for a model that cannot be had.
    """
    metric = shares(compiled)
    console = Console(stderr=True, soft_wrap=True)
    train, predict = both(compiled)
    _ready(root, compiled, train, overrides, console)
    lines = (root / str(train.inputs["train"])).read_bytes().splitlines(keepends=True)
    if len(lines) < LEAST:
        help = "bring more rows, or leave out `--deep`"
        raise fail(
            "T940",
            f"{counted(len(lines), 'train row', 'is', 'are')} too few to train on a part; {LEAST} are the least",
            help=help,
        )
    studied = Studied(root, compiled, train, predict, lines)
    curve = _curve(studied, trials.done(studied, console))
    return stated(metric, str(train.at.variant), None, curve, len(lines), compiled.task.success_criteria.threshold)


def shares(compiled: Compiled) -> str:
    """The primary metric."""
    from stages.scoring import metric_named

    name = compiled.task.success_criteria.primary_metric
    found = metric_named(name)
    if (found.low, found.high) != (0.0, 1.0):
        help = "choose a success_criteria.primary_metric from 0 to 1 for this advice"
        raise fail("T942", f"{name} goes from {found.low:g} to {found.high:g}, and a curve is of shares", help=help)
    return name


def both(compiled: Compiled) -> tuple[Instance, Instance]:
    """The training of the first variant, and the stage that asks what it gives."""
    train = next(one for one in compiled.plan.instances if one.stage.name == "train")
    asked = (one for one in compiled.plan.instances if one.stage.name == "predict" and one.at.candidate == "tuned")
    return train, next(one for one in asked if one.at.variant == train.at.variant)


def _ready(root: Path, compiled: Compiled, train: Instance, overrides: Sequence[str], console: Console) -> None:
    """Build what the training reads, as `tunec build` does. What costs money is never begun by advice."""
    asks = [name for name, on in (("generate", compiled.task.generate), ("data.judge", compiled.task.data.judge)) if on]
    if not asks:
        build(root, train.after, overrides, console)
    missing = [path for path in train.dependencies() if path.startswith(f"{BUILD}/") and not (root / path).exists()]
    if missing:
        help = f"run `tunec build {' '.join(train.after)}` first; advice asks no model that costs money"
        raise fail("T941", f"{missing[0]} is not there, and {' and '.join(asks)} would be asked for it", help=help)


def build(root: Path, targets: Sequence[str], overrides: Sequence[str], console: Console) -> None:
    from tunec import building, dvc
    from tunec.alone import alone
    from tunec.compiling import compile_here

    ours = alone(root) if dvc.is_workspace(root) else nullcontext()
    with ours, dvc.started_build(root) as waiting:
        compile_here(root, list(overrides))
        building.build(waiting, root, list(targets), console)


def _curve(studied: Studied, answers: Mapping[Draw, Path]) -> Curve:
    points = []
    for size in studied.sizes:
        found = [_scored(studied, answers[drawn]) for drawn in studied.draws(size)]
        points.append(Point(size, tuple(value for value, _ in found), min(many for _, many in found)))
    return Curve(tuple(points), len(studied.rows))


def _scored(studied: Studied, answers: Path) -> tuple[float, int]:
    """The primary metric on dev, and over how many decisions: of a share that is as unsure as its interval says."""
    from stages.scoring import figures, judged
    from stages.select import SelectParams

    select = next(one for one in studied.compiled.plan.instances if one.stage.name == "select")
    params = SelectParams(**{name: value for name, value in select.params.items() if name != READ})
    rows = list(read_rows(studied.root / str(studied.train.inputs["dev"])))
    of = judged(rows, {"": answers}, params.contract, params.yardstick.terms)[""]
    found = figures(of, params.yardstick, params.contract)[params.yardstick.primary]
    deviation = (found["high"] - found["low"]) / 2 / NormalDist().inv_cdf((1 + params.yardstick.confidence) / 2)
    level = min(max(found["value"], 0.05), 0.95)
    return found["value"], max(1, round(level * (1 - level) / deviation**2)) if deviation else len(rows)
