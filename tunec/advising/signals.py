"""What speaks in the decision: each signal with its value and where that is from. None: nobody said or shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from compiler import Compiled
from stages.counting import counted
from stages.rows import read_json
from tunec.advising.parting import ToTrain
from tunec.coaching import answers as answering
from tunec.observing import Observed
from tunec.table import REPORT

Source = Literal["data", "task.yaml", "answers", "build", "assumed"]
_NARROW = ("label", "json", "tool_call")
# Kinds of stages.worth that decide whether training is worth it -> the approach that does as well.
_UNTRAINED = {"no language model": "linear", "the base model, prompted": "prompting"}
_COPIED = 0.2  # share of an answer's words in its input below which it says what the input does not


@dataclass(frozen=True)
class Signal:
    """told: in words, with figures."""

    name: str
    value: Any
    source: Source
    told: str

    def json(self) -> dict[str, Any]:
        return {"value": self.value, "source": self.source, "told": self.told}


def signals(
    root: Path, compiled: Compiled, seen: Observed | None, parted: ToTrain | None, answers: answering.Answers
) -> dict[str, Signal]:
    """Every signal that a rule may ask for. parted: the rows to train on, where rows are. answers: as the coach kept
    them, or none.
    """
    found = (*_data(compiled, seen, parted), *_said(compiled, seen, answers), *_built(root, compiled))
    return {signal.name: signal for signal in found}


def _data(compiled: Compiled, seen: Observed | None, parted: ToTrain | None) -> Iterator[Signal]:
    form = compiled.task.output_format.type
    strict = form in _NARROW
    yield Signal("strict_form", strict, "task.yaml", f"answers are of the form {form}")
    if seen is None or parted is None:
        yield Signal("rows", 0, "data", "there are no rows")
        yield Signal("stable", None, "assumed", "no row shows whether answers keep their form")
        yield Signal("pairs", False, "data", "there are no rows")
        return
    yield Signal("rows", parted.rows, parted.source, parted.told)
    yield Signal("stable", seen.contract.fits, "data", f"{seen.contract.fits:.1%} of the answers are of one form")
    pairs = seen.columns.shape in ("pairs", "verdicts")
    yield Signal(
        "pairs",
        pairs,
        "data",
        "rows say which answer is better" if pairs else "rows say what is right, not what is better",
    )


def _said(compiled: Compiled, seen: Observed | None, answers: answering.Answers) -> Iterator[Signal]:
    cost, pain = compiled.task.cost, answers.get("pain")
    volume = cost.requests_per_month if cost else None
    if volume is not None:
        yield Signal("volume", volume, "task.yaml", f"{volume:,.0f} requests a month")
    elif (volume := answers.get("volume")) is not None:
        yield Signal("volume", volume, "answers", f"{volume:,.0f} requests a month")
    else:
        yield Signal("volume", None, "assumed", "nobody said how often it comes up: cost.requests_per_month")
    said = cost.data_may_leave if cost else None
    leaves = answers.get("data_may_leave") if said is None else said
    personal = ", ".join(seen.personal) if seen and seen.personal else ""
    found = f"; rows hold personal data ({personal})" if personal else ""
    if leaves is None:
        yield Signal(
            "data_may_leave", None, "assumed", f"nobody said whether rows may leave: cost.data_may_leave{found}"
        )
    else:
        source: Source = "answers" if said is None else "task.yaml"
        yield Signal(
            "data_may_leave", leaves, source, f"rows {'may' if leaves else 'may not'} leave this machine{found}"
        )
    changes = answers.get("changes")
    told = f"requirements change {changes}" if changes else "nobody said how often requirements change"
    yield Signal("changes", changes, "answers" if changes else "assumed", told)
    told = f"prompting fails by {', '.join(pain)}" if pain else "nobody said what is wrong with prompting"
    yield Signal("pain", pain, "answers" if pain else "assumed", told)
    yield _knowledge(compiled, seen, pain)
    yield _teacher(compiled, answers)


def _knowledge(compiled: Compiled, seen: Observed | None, pain: list[str] | None) -> Signal:
    """Whether answers need what neither the input nor the behaviour of a model holds."""
    if pain is not None:
        return Signal(
            "knowledge",
            "knowledge" in pain,
            "answers",
            f"knowledge is {'' if 'knowledge' in pain else 'not '}what lacks",
        )
    asked = compiled.task.task_type == "qa"
    if seen and asked:
        lacks = seen.copied < _COPIED and "context" not in seen.columns.inputs
        told = f"{seen.copied:.0%} of the answers' texts stand in their input"
        return Signal("knowledge", lacks, "data", told)
    if seen and seen.copied > 0.5:
        return Signal("knowledge", False, "data", f"{seen.copied:.0%} of the answers' texts stand in their input")
    return Signal("knowledge", None, "assumed", "nothing shows whether answers need knowledge that the input lacks")


def _teacher(compiled: Compiled, answers: answering.Answers) -> Signal:
    task = compiled.task
    if task.generate:
        return Signal("teacher", True, "task.yaml", "generate names a teacher")
    if task.baselines.get("larger", False) is not False:
        return Signal("teacher", True, "task.yaml", "the baseline larger names a model that could teach")
    more = answers.get("more_data")
    if more:
        return Signal("teacher", more == "teacher", "answers", f"more rows come from {more}")
    return Signal("teacher", False, "task.yaml", "no teacher is named: generate.teacher")


def _built(root: Path, compiled: Compiled) -> Iterator[Signal]:
    """What the last build tells; nothing, where there is none, or its report is not of this version."""
    try:
        report = read_json(root / REPORT) if (root / REPORT).is_file() else {}
        yield from list(_reported(report, compiled))
    except (OSError, AttributeError, KeyError, TypeError, ValueError):
        old = "the report of the last build is not of this version: `tunec build` writes it anew"
        yield from (Signal(one.name, None, "assumed", old) for one in _reported({}, compiled))


def _reported(report: Mapping[str, Any], compiled: Compiled) -> Iterator[Signal]:
    """Whether what costs less than training was good enough in the last build, by the rows that its verdict is by."""
    threshold, primary = compiled.task.success_criteria.threshold, compiled.task.success_criteria.primary_metric
    for name, prefixes in (
        ("linear_reaches", ("tfidf", "rule", "nearest")),
        ("prompt_reaches", ("prompted", "few_shot", "larger")),
    ):
        reached = dict(_figures(report, primary, prefixes)) if report.get("primary") == primary else {}
        if not reached:
            yield Signal(
                name, None, "assumed", f"no {' or '.join(prefixes)} was measured yet: `tunec build`, or --measure"
            )
            continue
        best = max(reached, key=lambda one: reached[one])
        rows = f"of {counted(report['rows']['test'], 'test row')}"
        told = f"{best} has {primary} {reached[best]:.3f} {rows}; needed {threshold:g}"
        yield Signal(name, reached[best] >= threshold, "build", told)
    yield _tuned(report, primary, threshold)
    yield _as_good(report, primary)


def _tuned(report: Mapping[str, Any], primary: str, threshold: float) -> Signal:
    """Whether the file that the last build chose reaches the threshold, as the gate judges it: by the test rows."""
    systems: list[dict[str, Any]] = list(report.get("systems", ()))
    chosen = next((one for one in systems if one.get("name") == report.get("chosen")), {})
    found = (chosen.get("test") or {}).get(primary)
    if not isinstance(found, Mapping) or report.get("primary") != primary:
        return Signal("tuned_reaches", None, "assumed", "nothing was trained yet: `tunec build`, or --measure --deep")
    value, low, high, sure = (float(found[end]) for end in ("value", "low", "high", "bound"))
    rows = f"of {counted(report['rows']['test'], 'test row')}"
    told = f"{chosen['name']} has {primary} {value:.3f} [{low:.2f}, {high:.2f}] {rows}; needed {threshold:g}"
    return Signal("tuned_reaches", True if sure >= threshold else False if value < threshold else None, "build", told)


def _as_good(report: Mapping[str, Any], primary: str) -> Signal:
    """What did as well as the chosen file on the same test rows, without training; `none` where nothing did."""
    known = report.get("worth", {}).get("over", ()) if report.get("primary") == primary else ()
    held = [one for one in known if one["kind"] in _UNTRAINED]
    if not held:
        return Signal("as_good", None, "assumed", "nothing was trained and held against a baseline yet: `tunec build`")
    hardest = min(held, key=lambda one: (one["lead"], one["best"]))
    lead = f"{report['chosen']} leads {hardest['best']} by {hardest['lead']:.3f} in {primary}"
    rows = f"of {counted(report['rows']['test'], 'test row')}"
    value = _UNTRAINED[hardest["kind"]] if hardest["answer"] == "no" else "none"
    return Signal("as_good", value, "build", f"{lead}, {rows}")


def _figures(report: Mapping[str, Any], primary: str, prefixes: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    for system in report.get("systems", ()):
        figure = (system.get("test") or {}).get(primary)
        value = figure.get("value") if isinstance(figure, Mapping) else None
        if str(system.get("name", "")).startswith(prefixes) and isinstance(value, int | float):
            yield str(system["name"]), float(value)
