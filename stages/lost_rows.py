"""What the data stage says of the rows that it turned away: how many by which gate, and where the first one stands."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from stages.counting import counted
from stages.diagnostics import Diagnostic, UserError, fail
from stages.hub_rows import files_of
from stages.judging_rows import UNREADABLE
from stages.making import NO_ANSWER
from stages.progress import warn
from stages.reviewing import WAITS

if TYPE_CHECKING:
    from stages.data import DataParams, Tally

TEACHABLE = (
    "rows without an answer may wait for a teacher to give them one: "
    "`generate: {teacher: …, label: true}`, see docs/data.md"
)
_ALWAYS = (UNREADABLE, "row", "contract")  # what is no row of the task cannot be let through
_DRAWN = ("dev", "test")  # splits that are drawn where nothing is named for them
_NAMED = 10  # reasons that are told apart
_BROKEN = 0.5  # share of all rows, above which rows that break the contract stop the build
_WHERE = re.compile(r" at (?:column|byte) [\d,]+$")
Why = tuple[str, str]  # gate, reason


def counted_as(reason: str) -> str:
    """A reason without the place inside its line, which is another one in each row."""
    return _WHERE.sub("", reason)


def mostly_broken(read: int, broken: int) -> bool:
    """Whether so many rows break the contract that it, or the sources, cannot be what was meant."""
    return broken > _BROKEN * read


def tell(params: DataParams, tally: Tally) -> None:
    """Say which rows are not trained on, and why; that a row stands twice, or that a person said so, needs no word."""
    lost = Counter({why: many for why, many in tally.reasons.items() if why[0] not in ("duplicates", "review")})
    if lost:
        (gate, reason), verb = _busiest(lost)[0][0], "is" if lost.total() == 1 else "are"
        message = f"{lost.total():,} of {counted(tally.read.total(), 'row')} {verb} rejected"
        other = "" if gate in _ALWAYS else ", or switch the gate off in `data.gates`"
        help = f"`tunec data show {gate}` prints {'it; mend it' if lost.total() == 1 else 'them; mend them'}{other}"
        notes = (*_told(lost, tally), *_teachable(params, lost))
        warn(Diagnostic("T620", message, tally.first[gate, reason], notes, help, "warning"))


def refuse(tally: Tally) -> None:
    """Raise T683 where more than half of the rows break the contract."""
    lost = Counter({why: many for why, many in tally.reasons.items() if why[0] == "contract"})
    if not mostly_broken(tally.read.total(), lost.total()):
        return
    span = tally.first[_busiest(lost)[0][0]]
    message = f"{lost.total():,} of {counted(tally.read.total(), 'row')} break the contract, more than half"
    help = (
        "mend the rows, or output_format.schema; rows of another task belong in no source; "
        f"`tunec data check {span.file}` counts every reason"
    )
    raise fail("T683", message, notes=_told(lost, tally), help=help, file=span.file, line=span.line)


def refuse_unfilled(params: DataParams, tally: Tally, filled: Collection[str | None]) -> None:
    """Raise T686 where a source is there for a split other than train, and no row is left for that split."""
    for number, source in enumerate(params.sources):
        if source.role in (None, "train", *filled):
            continue
        many = sum(tally.read[str(file)] for file in files_of(source))
        drawn = (f"without it, {source.role} rows would be drawn from those to train on",)
        notes = (f"{counted(many, 'row', 'was', 'were')} read from it", *(drawn if source.role in _DRAWN else ()))
        help = "bring rows that the task can take, or remove this source"
        message = f"no row is left for {source.role}, which {source.path} is there for"
        raise fail("T686", message, notes=notes, help=help, key=f"data.sources.{number}.role")


def nothing_left(params: DataParams, tally: Tally) -> UserError:
    """T301, with the most frequent reasons."""
    if tally.unanswered:
        return _nothing_answered(tally)
    if not tally.reasons:
        file = next((file for source in params.sources for file in source.files), "data/raw/")
        return fail("T301", "the sources hold no rows", help="put rows into the file", file=file)
    common, _ = tally.reasons.most_common(1)[0]
    span = tally.first[common]
    help = f"mend the rows, or the contract in output_format; `tunec data check {span.file}` counts every reason"
    if common[1] == WAITS:
        help = "write `gates: {review: warn}` in `data`: then they are used, and listed for `tunec data review`"
    many = tally.reasons.total()
    message = "the only row is rejected" if many == 1 else f"none of {many:,} rows is left"
    told = (*_told(tally.reasons, tally), *_teachable(params, tally.reasons))
    return fail("T301", message, notes=told, help=help, file=span.file, line=span.line)


def _nothing_answered(tally: Tally) -> UserError:
    many, lost = tally.unanswered, tally.reasons
    waiting = "the only row waits" if many == 1 else f"all {many:,} rows wait"
    others = f", and {lost.total():,} {'is' if lost.total() == 1 else 'are'} rejected" if lost else ""
    help = "bring rows with answers first: train, dev and test are made of them, and a teacher is asked after that"
    message = f"{waiting} for a teacher's answer{others}"
    return fail("T301", message, notes=_told(lost, tally), help=help, file=next(iter(tally.read)))


def _busiest(lost: Counter[Why]) -> list[tuple[Why, int]]:
    """Each reason with its count: those of the gate that turned most rows away first, and of them the commonest."""
    gates: Counter[str] = Counter()
    for (gate, _), many in lost.items():
        gates[gate] += many
    return sorted(lost.items(), key=lambda one: (-gates[one[0][0]], one[0][0], -one[1]))


def _told(lost: Counter[Why], tally: Tally) -> tuple[str, ...]:
    """`2 by near: nearly a duplicate (first at data/raw/rows.csv:7)`, a line a reason."""
    every = _busiest(lost)
    told = [f"{many:,} by {gate}: {_first((gate, reason), tally)}" for (gate, reason), many in every[:_NAMED]]
    if others := every[_NAMED:]:
        told.append(f"{sum(many for _, many in others):,} for {counted(len(others), 'other reason')}")
    return tuple(told)


def _first(why: Why, tally: Tally) -> str:
    return f"{why[1]} (first at {tally.first[why].file}:{tally.first[why].line})"


def _teachable(params: DataParams, lost: Iterable[Why]) -> tuple[str, ...]:
    """That a teacher may answer what nobody has answered, where the task does not ask for it already."""
    making = params.making
    bare = any(gate == "row" and reason.startswith(NO_ANSWER) for gate, reason in lost)
    return (TEACHABLE,) if bare and making.shape == "answers" and not making.label else ()
