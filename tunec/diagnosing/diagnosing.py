"""`tunec diagnose`: symptoms of the last build, and the causes behind them, by evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler import compile_task
from compiler.parse import ParseError
from compiler.resolve import did_you_mean
from stages.catalog import members
from stages.diagnostics import Diagnostic, UserError, fail
from tunec import finding_rows, rewriting
from tunec.compiling import write_if_changed
from tunec.diagnosing.build import Build, edited, last_build
from tunec.diagnosing.cause import CLAIMED, Cause, Found, ranked
from tunec.diagnosing.symptoms import symptoms
from tunec.workspace import TASK, Disk, read_task

_DOUBTED = 500  # row ids of a sign that the JSON names


@dataclass(frozen=True)
class Diagnosis:
    """causes: those that are claimed, the most evident first. others: what weak signs there are of more."""

    build: Build
    symptoms: list[str]
    causes: list[Found]
    others: list[Found]
    warnings: list[Diagnostic]

    def json(self) -> dict[str, Any]:
        return {
            "task": self.build.compiled.task.task_name,
            "chosen": self.build.choice["chosen"],
            "wrong": len(self.build.wrong),
            "rows": len(self.build.dev),
            "symptoms": self.symptoms,
            "places": finding_rows.standing(self.build.root, self.build.compiled.plan, self._told),
            "causes": [_json(one, self.build) for one in self.causes],
            "others": [_json(one, self.build) for one in self.others],
        }

    def text(self) -> str:
        lines = "\n".join(self._lines())
        named = self._told.intersection(finding_rows.ID.findall(lines))
        return finding_rows.placed(lines, finding_rows.standing(self.build.root, self.build.compiled.plan, named))

    @property
    def _told(self) -> set[str]:
        """Ids of the rows that signs are about, as many of each as are told."""
        signs = (sign for found in (*self.causes, *self.others) for sign in found.signs)
        return {id for sign in signs for id in sign.rows[:_DOUBTED]}

    def _lines(self) -> Iterator[str]:
        build = self.build
        figure = build.dev_figures[build.choice["chosen"]][build.primary]["value"]
        wrong = f"{len(build.wrong):,} of {len(build.dev):,} dev rows are not right"
        yield f"{build.choice['chosen']}: {build.primary} {figure:.3f} on dev, {wrong}"
        yield from ("", "symptoms", *(f"  {one}" for one in self.symptoms)) if self.symptoms else ()
        if not self.causes:
            yield from ("", "no cause is claimed: nothing that was looked for stands out")
            if build.wrong:
                yield "`tunec repair` brings rows for what is wrong, cluster by cluster"
        for place, found in enumerate(self.causes, start=1):
            yield ""
            yield from _told(place, found, build)
        if self.others:
            names = ", ".join(f"{one.cause.name} {one.evidence:.2f}" for one in self.others)
            yield from ("", f"weak signs, from which nothing is claimed: {names}")


def diagnose(root: Path) -> Diagnosis:
    """Raises T407, T860 and T861, as `last_build` does."""
    build, fresh = last_build(root)
    found = ranked(causes(), build)
    claimed = [one for one in found if one.evidence >= CLAIMED]
    return Diagnosis(
        build,
        list(symptoms(build)),
        claimed,
        [one for one in found if one.evidence < CLAIMED],
        [] if fresh else [edited()],
    )


def causes() -> Mapping[str, Cause]:
    return members("tunec.diagnosing.causes", "CAUSE", Cause)


def apply(root: Path, name: str) -> Mapping[str, Any]:
    """Write the fix of a cause into task.yaml, comments kept; gives the keys and values.

    Raises T863 for a cause that there is not, T864 for one that no key mends.
    """
    known = causes()
    if name not in known:
        help = did_you_mean(name, list(known)) or f"one of {', '.join(known)}"
        raise fail("T863", f"there is no cause `{name[:60]}`", help=help)
    build, _ = last_build(root)
    values = known[name].patch(build)
    if not values:
        raise fail("T864", f"no key of {TASK} mends `{name}`", help=known[name].fix)
    text = rewriting.with_values(read_task(root / TASK), values)
    try:
        compile_task(text, Disk(root))
    except ParseError as error:
        raise UserError(*error.diagnostics) from None
    write_if_changed(root / TASK, text)
    return values


def _told(place: int, found: Found, build: Build) -> Iterator[str]:
    cause = found.cause
    yield f"{place}. {cause.title} ({cause.name}, evidence {found.evidence:.2f})"
    yield from (f"   - {' '.join(sign.figure.split())}" for sign in found.signs)
    yield f"   to settle it: {cause.experiment(build)}"
    yield f"   to mend it: {cause.fix}"
    if cause.command:
        yield f"     {cause.command}"
    values = cause.patch(build)
    yield from (f"     {key}: {rewriting.written(value)}" for key, value in values.items())
    if values:
        yield f"     `tunec diagnose --apply {cause.name}` writes that into {TASK}"


def _json(found: Found, build: Build) -> dict[str, Any]:
    cause = found.cause
    return {
        "name": cause.name,
        "title": cause.title,
        "evidence": round(found.evidence, 3),
        "signs": [
            {"figure": sign.figure, "strength": round(sign.strength, 3), "rows": list(sign.rows[:_DOUBTED])}
            for sign in found.signs
        ],
        "experiment": cause.experiment(build),
        "fix": cause.fix,
        "command": cause.command,
        "patch": dict(cause.patch(build)),
    }
