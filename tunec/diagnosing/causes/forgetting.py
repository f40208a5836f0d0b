"""What the base model could do besides is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tunec.diagnosing.build import Build
from tunec.diagnosing.cause import Cause, Sign, strength


def look(build: Build) -> Iterator[Sign]:
    general = build.training.get("general_loss")
    if general:
        before, after = float(general["before"]), float(general["after"])
        figure = f"the loss of general rows went from {before:.3f} to {after:.3f}"
        yield Sign(figure, strength(after / max(before, 1e-9), 1.1, 1.4))


def experiment(build: Build) -> str:
    return "the same training with general rows mixed in (data.general_mix): does their loss stay?"


def patch(build: Build) -> Mapping[str, Any]:
    """Half the epochs: whole ones, where that is one or more."""
    half = float(build.params["epochs"]) / 2
    return {"training.epochs": half if half < 1 else round(half)}


CAUSE = Cause(
    "forgetting",
    "general skills are forgotten",
    look,
    experiment,
    "mix in general rows (data.general_mix); lower the rank, the rate or the epochs",
    before=12,
    patch=patch,
)
