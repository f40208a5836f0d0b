"""What a cause is: a file of causes/, with what speaks for it in a build, and what would settle and mend it.

All evidence is on one scale. A sign is a figure beside two marks: what builds without the fault usually show, and what
they never do. At the first its strength is 0, at the second 1, and between them it grows evenly. Signs of one cause are
taken as independent: together they are as strong as the chance that not all of them mislead.
Source: the noisy-or of Pearl 1988.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tunec.diagnosing.build import Build

CLAIMED = 0.5  # evidence from which on a cause is claimed
_MOST = 0.95  # that one sign weighs: none is beyond doubt


class Sign(NamedTuple):
    """figure: in words. strength: 0 to 1. rows: ids of the rows that it is about, where it is about some."""

    figure: str
    strength: float
    rows: tuple[str, ...] = ()


class Cause(NamedTuple):
    """A fault that a build may have.

    look: the signs of it, weak ones as well. experiment: what would settle it. fix: what to do, in words. patch: the
    keys of task.yaml that mend it, with their values; none where a key cannot. command: one that helps to mend it.
    before: of two causes that are as evident, the lower is told first: what is wrong in the data makes what comes after
    look wrong, too.
    """

    name: str
    title: str
    look: Callable[[Build], Iterator[Sign]]
    experiment: Callable[[Build], str]
    fix: str
    before: int
    patch: Callable[[Build], Mapping[str, Any]] = lambda build: {}
    command: str | None = None


class Found(NamedTuple):
    """A cause with its signs, the strongest first, and their evidence together."""

    cause: Cause
    signs: tuple[Sign, ...]
    evidence: float


def strength(value: float, usual: float, sure: float) -> float:
    """0 at what is usual, the most that a sign weighs at what is sure; `sure` may be the lower one."""
    if not math.isfinite(value):
        return 0.0
    return min(_MOST, max(0.0, (value - usual) / (sure - usual)))


def weigh(cause: Cause, build: Build) -> Found:
    signs = sorted((sign for sign in cause.look(build) if sign.strength > 0), key=lambda sign: -sign.strength)
    return Found(cause, tuple(signs), 1 - math.prod(1 - sign.strength for sign in signs))


def ranked(causes: Mapping[str, Cause], build: Build) -> list[Found]:
    """Every cause that anything speaks for, the most evident first; of alike ones, those that come before."""
    found = [weigh(causes[name], build) for name in causes]
    return sorted(
        (one for one in found if one.signs), key=lambda one: (-round(one.evidence, 2), one.cause.before, one.cause.name)
    )
