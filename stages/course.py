"""How a training went, in words for the page: what its own report says of its course, and what gave a signal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stages.counting import counted


def lines(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(what, how it was) of what a training's report.json knows."""
    yield "Trained on", f"{counted(report['rows'], 'row')}, {counted(report['steps'], 'step')}"
    if report["dev_rows"]:
        yield "Loss", f"{report['train_loss']:.3f} at the end, {_dev(report)}"
    if "train_reward" in report:
        yield "Reward", f"{report['train_reward']:.3f} at the end"
    if "kept_step" in report:
        yield "Weights kept", f"those of step {report['kept_step']:,}"
    if "stopped" in report:
        yield "Ended early", report["stopped"]
    if "rate_probe" in report:
        yield "Rate", _probed(report["rate_probe"])
    if "general_loss" in report:
        yield "Loss of general rows", "{before:.3f} before, {after:.3f} after".format(**report["general_loss"])
    if report.get("gradient_checkpointing"):
        yield "Memory", "activations were computed twice, to need less of it"


def _dev(report: Mapping[str, Any]) -> str:
    return f"{report['dev_loss']:.3f} on {counted(report['dev_rows'], 'dev row')}"


def _probed(probe: Mapping[str, Any]) -> str:
    losses = sorted(probe["dev_loss"].items(), key=lambda tried: float(tried[0]))
    tried = (f"{rate}: {'diverged' if loss is None else f'{loss:.3f}'}" for rate, loss in losses)
    steps = counted(probe["steps"], "step")
    return f"{probe['rate']:.3g}, of three that were tried for {steps} each (dev loss of {', '.join(tried)})"


def seen(trainings: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, Mapping[str, str]]]:
    """(variant, name of the signal, {seen, causes, fixes}) of every training that gave one."""
    return [
        (variant, name.replace("_", " "), signal)
        for variant, report in sorted(trainings.items())
        for name, signal in sorted(report.get("signals", {}).items())
    ]
