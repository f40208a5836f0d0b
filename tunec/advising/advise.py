"""`tunec advise`: signals -> verdict, ways to train, what they take; with --measure, what the rows lead to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler import Compiled
from stages.counting import counted
from stages.diagnostics import Diagnostic, UserError, fail
from tunec.advising.measuring import LINEAR, Measured, measured, reaches
from tunec.advising.parting import to_train
from tunec.advising.places import Place, duties, places
from tunec.advising.recommending import Way, ways
from tunec.advising.resources import Resources, resources
from tunec.advising.signals import Signal, signals
from tunec.advising.verdict import Verdict, judge, sources, table
from tunec.coaching import answers as answering
from tunec.coaching.coach import SESSION
from tunec.compiling import compile_workspace
from tunec.observing.of_task import of_task
from tunec.table import REPORT


@dataclass(frozen=True)
class Advice:
    """rows: to train on. curve: what was measured, why not, or None where it was not asked for. deep: the same of the
    base model. warnings: that the build of which it speaks is not of this task.
    """

    compiled: Compiled
    rows: int
    signals: dict[str, Signal]
    verdict: Verdict
    ways: list[Way]
    curve: Measured | str | None
    deep: Measured | None
    resources: Resources
    places: list[Place]
    warnings: list[Diagnostic]

    def json(self) -> dict[str, Any]:
        verdict = self.verdict
        curve = self.curve.json() if isinstance(self.curve, Measured) else self.curve
        return {
            "verdict": verdict.approach,
            "points": dict(verdict.points),
            "reasons": [{"rule": r.id, "for": r.approach, "says": r.says, "from": r.source} for r in verdict.reasons],
            "beside": list(verdict.beside),
            "would_change": [{"signal": s, "value": v, "verdict": a} for s, v, a in verdict.turns],
            "unknown": list(verdict.unknown),
            "signals": {name: one.json() for name, one in self.signals.items()},
            "candidates": [way.json() for way in self.ways],
            "curve": curve,
            "deep": self.deep and self.deep.json(),
            "resources": self.resources.json(),
            "places": [place.json() for place in self.places],
            "sources": dict(sources()),
        }

    def text(self) -> str:
        return "\n".join(_lines(self))


def advise(root: Path, overrides: Sequence[str], given: Path | None, *, measure: bool, deep: bool = False) -> Advice:
    """given: a file of answers; without one, those that the coach kept. deep: measure the base model, too. Raises what
    compiling and reading rows raise, T840 to T842 for answers, T851 for a task without rows to measure, and what
    tunec.advising.deep raises.
    """
    compiled = compile_workspace(root, list(overrides))
    seen = of_task(root, compiled)
    parted = to_train(root, compiled, seen) if seen else None
    rows = parted.rows if parted else 0
    answers = _answers(root, given)
    found = signals(root, compiled, seen, parted, answers) | {one.name: one for one in duties(compiled, seen)}
    if measure and seen is None and not deep:
        raise fail("T851", "there are no rows to measure", help="bring rows, or leave out `--measure`")
    curve = measured(root, compiled, seen, rows) if measure else None
    if isinstance(curve, Measured):
        found["linear_reaches"] = _reaches("linear_reaches", "a linear model of all rows", curve)
    tuned = _deep(root, compiled, overrides) if deep else None
    if tuned:
        found["tuned_reaches"] = _reaches("tuned_reaches", f"{tuned.model} tuned on all rows", tuned)
    verdict = judge({name: one.value for name, one in found.items()})
    taken = resources(root, compiled, calibrate=measure)
    advised = ways(root, compiled, seen, rows, answers, taken)
    where = places(root, compiled, seen, found["data_may_leave"].value)
    warnings = _warnings(root, compiled, overrides)
    return Advice(compiled, rows, found, verdict, advised, curve, tuned, taken, where, warnings)


def _reaches(name: str, who: str, curve: Measured) -> Signal:
    told = f"{who}: {curve.metric} {_interval(curve.all)}; needed {curve.threshold:g}"
    return Signal(name, reaches(curve), "data", told)


def _warnings(root: Path, compiled: Compiled, overrides: Sequence[str]) -> list[Diagnostic]:
    """That the task was edited since the build; keys that are set for this advice alone are no edit."""
    if not (root / REPORT).is_file():
        return []
    from tunec.diagnosing.build import edited, fresh  # not loaded before there is a build
    from tunec.guard import recorded_overrides

    recorded = recorded_overrides(root)
    try:
        built = compiled if recorded == list(overrides) else compile_workspace(root, recorded)
    except UserError:  # what was overridden in the build fits the task no more
        return [edited()]
    return [] if fresh(root, built) else [edited()]


def _deep(root: Path, compiled: Compiled, overrides: Sequence[str]) -> Measured:
    from tunec.advising import deep  # what runs builds is not loaded for advice alone

    return deep.measured(root, compiled, overrides)


def _answers(root: Path, given: Path | None) -> dict[str, Any]:
    kept = root / SESSION
    if given is None and not kept.is_file():
        return {}
    try:
        found = answering.read(given or kept)
    except UserError:
        if given:
            raise
        return {}
    return {name: value for name, value in found.items() if name != answering.LANG}


# ---------------------------------------------------------------- in words


def _lines(advice: Advice) -> Iterator[str]:
    verdict, names = advice.verdict, table()["approaches"]
    yield f"{advice.compiled.task.task_name}: {names[verdict.approach]}"
    for rule in verdict.reasons:
        if rule.approach == verdict.approach:
            yield f"  + {rule.says} [{rule.source}]"
    against = [rule for rule in verdict.reasons if rule.approach != verdict.approach]
    for rule in against:
        sign = "out:" if rule.stops else "for:"
        yield f"  {sign} {names[rule.approach]}: {rule.says} [{rule.source}]"
    yield from (f"  beside it: {names[name]}" for name in verdict.beside)
    yield from ("", "What would change it")
    shown: dict[tuple[str, str], list[Any]] = {}
    for name, value, approach in verdict.turns:
        shown.setdefault((name, approach), []).append(value)
    for (name, approach), values in shown.items():
        yield f"  {name} {' or '.join(_value(value) for value in values)} -> {names[approach]}"
    if not verdict.turns:
        yield "  none of the signals alone"
    yield from ("", "Signals")
    width = max(map(len, advice.signals))
    for one in advice.signals.values():
        yield f"  {one.name:<{width}}  {one.told} ({one.source})"
    if advice.curve is not None:
        yield from ("", "Measured", *_curve(advice.curve))
    if advice.deep is not None:
        yield from ("", "Measured by the training itself, on dev", *_curve(advice.deep))
    yield from ("", "Ways to train it")
    for number, way in enumerate(advice.ways, start=1):
        yield from _way(number, way)
    yield from ("", "What a build takes", *advice.resources.lines())
    yield from ("", "Where it can be trained and run; `tunec cost` has the prices")
    yield from (f"  {place.line()}" for place in advice.places)
    yield from ("", "Sources", *(f"  [{name}] {what}" for name, what in sources()))


def _value(value: Any) -> str:
    return "+".join(value) if isinstance(value, list) else f"{value:,}" if type(value) is int else str(value).lower()


def _interval(one: Any) -> str:
    return f"{one.value:.3f} [{one.low:.2f}, {one.high:.2f}]"


def _curve(curve: Measured | str) -> Iterator[str]:
    if isinstance(curve, str):
        yield f"  nothing: {curve}"
        return
    if curve.majority is not None:
        yield f"  the commonest answer: {curve.metric} {curve.majority:.3f}"
    who = "a linear model of" if curve.model == LINEAR else f"{curve.model}, {curve.metric}, with"
    for point in curve.curve.points:
        yield f"  {who} {counted(point.rows, 'row')}: {point.value:.3f}"
    yield f"  all {curve.all.rows:,} train rows: {_interval(curve.all)}, 80% sure"
    yield f"  twice as many, {curve.twice.rows:,}: {_interval(curve.twice)}"
    likely, best, worst = curve.needed
    if likely is None:
        yield f"  {curve.threshold:g} is out of reach of more such rows for this model"
    else:
        yield f"  {curve.threshold:g} is reached with {likely:,} rows [{_rows(best)}, {_rows(worst)}]"


def _rows(many: int | None) -> str:
    return "never" if many is None else f"{many:,}"


def _way(number: int, way: Way) -> Iterator[str]:
    yield f"  {number}. {way.model.preset}"
    for key, value in way.patch.items():
        said = f"{value:g}" if isinstance(value, float) else _value(value)
        yield f"     {key}: {said} # {way.reasons[key]}"
    yield from (f"     but: {drawback}" for drawback in way.drawbacks)
