"""A round of repair: what was wrong when it began, and the rows that it brought. It lies below data/repair/:

round-1.json   the clusters, and which dev and golden rows were right; no text of a row
round-1.csv    the sheet that people fill in, where there is no teacher
round-1.jsonl  the rows that were brought: a source of task.yaml, trained on alone
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.diagnostics import fail
from stages.rows import read_json, write_json
from tunec.diagnosing.build import Build

FOLDER = Path("data", "repair")
_NAME = re.compile(r"round-(\d+)\.json")


@dataclass(frozen=True)
class Target:
    """A cluster of wrong dev rows. rows: their ids. terms: words of train rows near them. count: how many train rows
    are to be brought for it.
    """

    number: int
    kind: str
    what: str
    terms: tuple[str, ...]
    advice: str
    rows: tuple[str, ...]
    count: int

    @property
    def about(self) -> str:
        terms = f"about {' '.join(self.terms)}" if self.terms else ""
        return ", ".join(filter(None, [self.kind, self.what, terms]))


@dataclass(frozen=True)
class Round:
    """right: ids of the dev rows that were right. wrong_golden: ids of golden rows that were not; None where there are
    no golden rows. chosen: the file whose answers they were. sheet: digest of the sheet's lines as they were written
    or, later, read; "" for none. written, taken: of each line that says something when the sheet is written, and of
    each that became a row, its digest.
    """

    number: int
    targets: tuple[Target, ...]
    right: tuple[str, ...]
    wrong_golden: tuple[str, ...] | None
    chosen: str
    sheet: str = ""
    written: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()

    @property
    def tag(self) -> str:
        return f"repair-{self.number}"

    def file(self, ending: str) -> Path:
        return FOLDER / f"round-{self.number}.{ending}"

    def write(self, root: Path) -> None:
        (root / FOLDER).mkdir(parents=True, exist_ok=True)
        write_json(root / self.file("json"), asdict(self))


def last(root: Path) -> Round | None:
    """The newest round. Raises T871 for a file that is none."""
    found = [match for path in (root / FOLDER).glob("round-*.json") if (match := _NAME.fullmatch(path.name))]
    if not found:
        return None
    path = FOLDER / max(found, key=lambda match: int(match[1]))[0]
    try:
        told = read_json(root / path)
        targets = tuple(Target(**{**one, **_tuples(one, "terms", "rows")}) for one in told["targets"])
        golden, number = told["wrong_golden"], told["number"]
        chosen, sheet = told.get("chosen", ""), told.get("sheet", "")
        if not (isinstance(number, int) and isinstance(chosen, str) and isinstance(sheet, str)):
            raise TypeError
        lines = {name: tuple(told.get(name, ())) for name in ("written", "taken")}
        golden = None if golden is None else tuple(golden)
        return Round(number, targets, tuple(told["right"]), golden, chosen, sheet, **lines)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        help = "take it back from git, or remove it and begin the round again"
        raise fail("T871", f"{path} is no record of a round", help=help) from None


def _tuples(of: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: tuple(of[name]) for name in names}


def begin(build: Build, number: int, many: int, rows: int | None) -> Round:
    """A round for the largest clusters of the dev rows that are wrong. rows: to bring for each; None: by its size.

    Raises T868 where no dev row is wrong.
    """
    from stages.clusters import clusters, grouped
    from tunec.repairing import near

    told, groups = clusters(build.chosen), grouped(build.chosen)
    if not groups:
        raise fail("T868", "no dev row is wrong, so there is nothing to repair", help="bring harder dev rows")
    targets = []
    for place, ((kind, what, of), one) in enumerate(zip(groups[:many], told[:many], strict=True), start=1):
        ids = tuple(sorted(j.id for j in of))
        count = rows or one["quota"]["count"]
        targets.append(Target(place, kind, what, near.words(ids, build), one["advice"], ids, count))
    right = tuple(sorted(one.id for one in build.chosen if one.right))
    return Round(number, tuple(targets), right, golden(build), build.choice["chosen"])


def golden(build: Build) -> tuple[str, ...] | None:
    """Ids of the golden rows that the shipped file has wrong."""
    beside = build.test.get("beside", {}).get("golden")
    return None if beside is None else tuple(sorted(beside.get("wrong", ())))
