"""What the data stage says of the rows that it turned away: how many by which gate, and where the first one stands."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from stages.counting import counted
from stages.diagnostics import Diagnostic, UserError, fail
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
_REASONS = 2  # of a gate that are told apart
Why = tuple[str, str]  # gate, reason


def tell(params: DataParams, tally: Tally) -> None:
    """Say which rows are not trained on, and why; that a row stands twice, or that a person said so, needs no word."""
    lost = Counter({why: many for why, many in tally.reasons.items() if why[0] not in ("duplicates", "review")})
    if lost:
        gates = _by_gate(lost)
        (gate, reasons), verb = gates[0], "is" if lost.total() == 1 else "are"
        message = f"{lost.total():,} of {counted(tally.read.total(), 'row')} {verb} rejected"
        other = "" if gate in _ALWAYS else ", or switch the gate off in `data.gates`"
        help = f"`tunec data show {gate}` prints {'it; mend it' if lost.total() == 1 else 'them; mend them'}{other}"
        notes = (*(_told(*one, tally) for one in gates), *_teachable(params, lost))
        warn(Diagnostic("T620", message, tally.first[gate, reasons[0][0]], notes, help, "warning"))


def nothing_left(params: DataParams, tally: Tally) -> UserError:
    """T301, with the most frequent reasons."""
    if tally.unanswered:
        return _nothing_answered(tally)
    if not tally.reasons:
        file = next((file for source in params.sources for file in source.files), "data/raw/")
        return fail("T301", "the sources hold no rows", help="put rows into the file", file=file)
    common = tally.reasons.most_common(5)
    notes = tuple(f"{many:,} of them: {_first(why, tally)}" for why, many in common)
    span = tally.first[common[0][0]]
    help = f"mend the rows, or the contract in output_format; `tunec data check {span.file}` names every line"
    if common[0][0][1] == WAITS:
        help = "write `gates: {review: warn}` in `data`: then they are used, and listed for `tunec data review`"
    many = tally.reasons.total()
    message = "the only row is rejected" if many == 1 else f"none of {many:,} rows is left"
    told = (*notes, *_teachable(params, tally.reasons))
    return fail("T301", message, notes=told, help=help, file=span.file, line=span.line)


def _nothing_answered(tally: Tally) -> UserError:
    many, lost = tally.unanswered, tally.reasons
    waiting = "the only row waits" if many == 1 else f"all {many:,} rows wait"
    others = f", and {lost.total():,} {'is' if lost.total() == 1 else 'are'} rejected" if lost else ""
    help = "bring rows with answers first: train, dev and test are made of them, and a teacher is asked after that"
    notes = tuple(_told(*one, tally) for one in _by_gate(lost))
    return fail(
        "T301", f"{waiting} for a teacher's answer{others}", notes=notes, help=help, file=next(iter(tally.read))
    )


def _by_gate(lost: Counter[Why]) -> list[tuple[str, list[tuple[str, int]]]]:
    """Each gate with its reasons and their counts, the busiest first."""
    gates: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for (gate, reason), many in lost.most_common():
        gates[gate].append((reason, many))
    return sorted(gates.items(), key=lambda one: -_sum(one[1]))


def _told(gate: str, reasons: list[tuple[str, int]], tally: Tally) -> str:
    """`2 by near: nearly a duplicate (first at data/raw/rows.csv:7)`; of several reasons, how many for which."""
    if len(reasons) == 1:
        told = [_first((gate, reasons[0][0]), tally)]
    else:
        told = [f"{many:,} as {_first((gate, reason), tally)}" for reason, many in reasons[:_REASONS]]
    if others := reasons[_REASONS:]:
        told.append(f"{_sum(others):,} for {counted(len(others), 'other reason')}")
    return f"{_sum(reasons):,} by {gate}: {'; '.join(told)}"


def _first(why: Why, tally: Tally) -> str:
    return f"{why[1]} (first at {tally.first[why].file}:{tally.first[why].line})"


def _sum(reasons: Iterable[tuple[str, int]]) -> int:
    return sum(many for _, many in reasons)


def _teachable(params: DataParams, lost: Iterable[Why]) -> tuple[str, ...]:
    """That a teacher may answer what nobody has answered, where the task does not ask for it already."""
    making = params.making
    bare = any(gate == "row" and reason.startswith(NO_ANSWER) for gate, reason in lost)
    return (TEACHABLE,) if bare and making.shape == "answers" and not making.label else ()
