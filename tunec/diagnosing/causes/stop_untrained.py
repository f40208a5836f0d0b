"""The model does not end its answers: the right one is said, and then more."""

from __future__ import annotations

from collections.abc import Iterator

from stages.judging import Judged
from stages.metrics.runaway_rate import repeats
from tunec.diagnosing.build import Build
from tunec.diagnosing.cause import Cause, Sign, strength


def look(build: Build) -> Iterator[Sign]:
    answers = build.answers("tuned")
    on = sum(goes_on(one, build) for one in answers)
    figure = f"{on} of {len(answers)} dev answers of the tuned weights are whole, and go on behind their end"
    yield Sign(figure, strength(on / max(1, len(answers)), 0.04, 0.25))


def goes_on(one: Judged, build: Build) -> bool:
    """Whether what is said freely begins with a whole answer, and has more behind it."""
    free, contract = one.free.strip(), build.contract
    if not free or contract.type == "text":
        return contract.type == "text" and one.finish == "length" and repeats(one.free)
    told = {contract.write(one.gold), one.text.strip()} - {""}
    return any(free != text and free.startswith(text) and contract.valid(text) for text in told)


def experiment(build: Build) -> str:
    return "`tunec data show 1 --mask`: does what is learnt of a row end with the token that ends a turn?"


CAUSE = Cause(
    "stop_untrained",
    "the stop token is not learnt",
    look,
    experiment,
    "use a base model whose chat template ends a turn with a token of its own, and train on it",
    before=12,
    command="tunec data show 1 --mask",
)
