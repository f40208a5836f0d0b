"""What a training's own figures say of it: the usual ways to fail, each with its causes and fixes.

A signal is no verdict: the test split decides. It is there to say where to look first.
Source of causes and fixes: the seeds' failure table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.counting import counted
from stages.diagnostics import Diagnostic

LEARNS = 0.95  # of the first loss: what is above has not learned
WORSE = 1.05  # times the best dev loss
GAP = 2.0  # times the train loss, in a run of more than one epoch
FORGOT = 1.1  # times the loss of general texts before


@dataclass(frozen=True)
class Run:
    """losses: of every step. dev: (step, dev loss) of every check. general: loss of general rows before and after.

    marks: those of the chat template that the tokenizer has no token of its own for. suspects: row ids with their
    losses, highest first. rewarded: the losses say nothing (grpo).
    """

    losses: Sequence[float]
    epochs: float
    dev: Sequence[Sequence[float]] = ()
    dev_loss: float | None = None
    general: tuple[float, float] | None = None
    marks: Sequence[str] = ()
    suspects: Sequence[tuple[str, float]] = ()
    rewarded: bool = False


def signals(run: Run) -> dict[str, dict[str, str]]:
    """Name of the signal -> {seen, causes, fixes}; empty where nothing is to be seen."""
    found = (_no_learning(run), _overfitting(run), _forgetting(run), _wrong_template(run), _label_noise(run))
    return {name: {"seen": seen, **_ABOUT[name]} for one in found for name, seen in one}


def told(name: str, signal: Mapping[str, str]) -> Diagnostic:
    """A signal as the one who waits for the build is warned of it."""
    message = f"the training gives a sign of {name.replace('_', ' ')}: {signal['seen']}"
    causes = f"likely causes: {signal['causes']}"
    return Diagnostic("T806", message, notes=(causes,), help=signal["fixes"], severity="warning", key=_KEYS[name])


Seen = Iterator[tuple[str, str]]


def _no_learning(run: Run) -> Seen:
    tenth = max(1, len(run.losses) // 10)
    first, last = _mean(run.losses[:tenth]), _mean(run.losses[-tenth:])
    if not run.rewarded and len(run.losses) > 1 and last > LEARNS * first:
        yield "no_learning", f"the loss went from {first:.3f} to {last:.3f} in {counted(len(run.losses), 'step')}"


def _overfitting(run: Run) -> Seen:
    best = min(run.dev, key=lambda check: check[1]) if run.dev else None
    if best and run.dev[-1][1] > WORSE * best[1]:
        yield (
            "overfitting",
            f"the dev loss was least at step {best[0]:.0f} ({best[1]:.3f}), and {run.dev[-1][1]:.3f} at the end",
        )
        return
    last = _mean(run.losses[-max(1, len(run.losses) // 10) :])
    if run.dev_loss is not None and not run.rewarded and run.epochs > 1 and run.dev_loss > GAP * last > 0:
        yield "overfitting", f"the dev loss is {run.dev_loss:.3f}, and {last:.3f} on the rows that are trained on"


def _forgetting(run: Run) -> Seen:
    if run.general and run.general[1] > FORGOT * run.general[0]:
        before, after = run.general
        yield "forgetting", f"the loss of general rows went from {before:.3f} to {after:.3f}"


def _wrong_template(run: Run) -> Seen:
    if run.marks:
        yield "wrong_template", f"the tokenizer has no token of its own for {', '.join(run.marks)}"


def _label_noise(run: Run) -> Seen:
    """Rows that are far from the others: beyond the upper quartile by one and a half times the quartiles' distance.

    Source: Tukey 1977.
    """
    losses = sorted(loss for _, loss in run.suspects)
    if len(losses) < 8:
        return
    low, high = losses[len(losses) // 4], losses[3 * len(losses) // 4]
    far = [f"{id} ({loss:.2f})" for id, loss in run.suspects if loss > high + 1.5 * (high - low)]
    if far:
        yield "label_noise", f"rows that fit worst after the training, with their loss: {', '.join(far[:20])}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))


_KEYS = {
    "no_learning": "training.learning_rate",
    "overfitting": "training.epochs",
    "forgetting": "training.learning_rate",
    "wrong_template": "training.base_model",
    "label_noise": "data",
}
_ABOUT: Mapping[str, Mapping[str, Any]] = {
    "no_learning": {
        "causes": "the rate is too low; the rank is too low; the answers do not follow from the inputs",
        "fixes": "raise training.learning_rate, or let training.rate_probe find it; look at rows (`tunec data show`)",
    },
    "overfitting": {
        "causes": "too many epochs; too few rows, or rows that are alike; a rank or a rate that is too high",
        "fixes": "set training.dev.checks, which keeps the best weights; fewer epochs; lower rank; more varied rows",
    },
    "forgetting": {
        "causes": "rank or rate too high; trained too long; rows of one kind only",
        "fixes": "lower training.lora.r or the rate; fewer epochs; mix in general rows",
    },
    "wrong_template": {
        "causes": "the chat template is that of another model, or the tokenizer lacks its special tokens",
        "fixes": "use the instruct model's own tokenizer and template",
    },
    "label_noise": {
        "causes": "wrong or contradicting answers; answers that need what the input does not say",
        "fixes": "read these rows with `tunec data show ROW --mask`; correct them or drop them",
    },
}
