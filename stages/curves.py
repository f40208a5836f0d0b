"""The training curve: what is known of every step, as a CSV for DVC's plots and the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stages.learning import Learned
from stages.lessons import Prepared

CURVE_POINTS = 200


def write(path: Path, ready: Prepared, learned: Learned) -> None:
    """CSV of step and every series: the mean of every few steps, at the last of them; where dev was measured on the
    way, its loss at the point of that step."""
    trainer = ready.trainer
    series = {"loss": trainer.losses, **ready.series, "grad_norm": trainer.norms, "learning_rate": learned.rates}
    steps = len(trainer.losses)
    every = max(1, steps // CURVE_POINTS)
    lines = [f"step,{','.join(series)}{',dev_loss' if learned.dev else ''}"]
    for first in range(0, steps, every):
        last = min(first + every, steps)
        means = [f"{mean(values[first:last]):.6g}" for values in series.values()]
        dev = [f"{loss:.6f}" for step, loss in learned.dev if first < step <= last][-1:] or [""]
        lines.append(",".join([str(last), *means, *(dev if learned.dev else [])]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
