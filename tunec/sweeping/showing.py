"""`tunec sweep show`: every file of a sweep beside the others, as a table, JSON or Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from compiler import Compiled
from compiler.resolve import did_you_mean
from compiler.sweep import FORMATS
from stages.diagnostics import fail
from stages.trials import Trial, told
from tunec import shown
from tunec.compiling import compile_workspace
from tunec.guard import recorded_overrides
from tunec.sweeping.results import measured, wanted

_BY = ("quality", "size", "speed", "name")


@dataclass(frozen=True)
class Shown:
    """What there is to show. trials and importance: as stages/trials.py tells them; missing: files that are not built,
    or not as the task says now.
    """

    metric: str
    trials: Sequence[Mapping[str, Any]]
    importance: Mapping[str, float]
    missing: int

    @property
    def keys(self) -> list[str]:
        """The swept keys, in the order that they are swept in."""
        return list(dict.fromkeys(key for trial in self.trials for key in trial["values"]))

    def json(self) -> dict[str, Any]:
        told = {"metric": self.metric, "trials": list(self.trials), "importance": dict(self.importance)}
        return {**told, "missing": self.missing}


def look(root: Path, sort: str = "quality") -> Shown:
    """What was measured of the sweep that the workspace was compiled with.

    Raises UserError when the task does not compile, T407 where nothing is built, T514 for a column that there is not.
    """
    compiled = compile_workspace(root, recorded_overrides(root))
    return of(compiled, measured(root, compiled), sort)


def of(compiled: Compiled, trials: Sequence[Trial], sort: str = "quality") -> Shown:
    """What there is to show of these. Raises as `look` does."""
    if not trials:
        raise fail("T407", "nothing of this sweep has been built here yet", help="run `tunec sweep`, or `tunec build`")
    found = told(trials, compiled.task.evaluation.confidence)
    metric = compiled.task.success_criteria.primary_metric
    all_ = Shown(metric, found["trials"], found["importance"], wanted(compiled.plan) - len(trials))
    return Shown(metric, _sorted(all_, sort), found["importance"], all_.missing)


def _sorted(of: Shown, by: str) -> list[Mapping[str, Any]]:
    match by:
        case "quality":
            return list(of.trials)
        case "size":
            return sorted(of.trials, key=lambda trial: trial["bytes"] or 0)
        case "speed":
            return sorted(of.trials, key=lambda trial: -(trial["rows_per_second"] or 0))
        case "name":
            return sorted(of.trials, key=lambda trial: str(trial["name"]))
    if by in of.keys:
        return sorted(of.trials, key=lambda trial: _rank(trial["values"].get(by)))
    known = [*_BY, *of.keys]
    help = did_you_mean(by, known) or f"sort by {', '.join(known)}"
    raise fail("T514", f"there is no column `{by[:60]}`", help=help)


def _rank(value: Any) -> tuple[bool, float, str]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return not number, float(value) if number else 0.0, str(value)


def tell(of: Shown, *, as_json: bool) -> None:
    """Print all of it."""
    if as_json:
        print(json.dumps(of.json(), indent=2, ensure_ascii=False))
        return
    console, found = Console(soft_wrap=True), table(of)
    console.width = whole(found, console)
    console.print(found)
    for line in importance(of):
        console.print(line, highlight=False)
    if of.missing:
        console.print(f"{of.missing} more files are not built, or not as the task says now", style="dim")


def table(of: Shown) -> Table:
    """The marks: * the smallest file within noise of the best; + on the Pareto front of quality, size and speed."""
    found = Table(box=None, pad_edge=False, header_style="bold")
    keys = [key for key in of.keys if key != FORMATS]
    for name in ("file", *(key.rpartition(".")[2] for key in keys), f"{of.metric} dev", "", "rows/s", "MB"):
        found.add_column(name, justify="left" if name in ("file", "") else "right", no_wrap=True)
    for trial in of.trials:
        figure, speed, size = trial["quality"], trial["rows_per_second"], trial["bytes"]
        found.add_row(
            trial["name"],
            *(shown.value(trial["values"].get(key)) for key in keys),
            f"{figure['value']:.3f} [{figure['low']:.2f}, {figure['high']:.2f}]",
            ("*" if trial["smallest_within_noise"] else " ") + ("+" if trial["pareto"] else ""),
            "" if speed is None else f"{speed:.1f}{_ends(trial['pace'])}",
            "" if size is None else f"{size / 1e6:.1f}",
            style="bold" if trial["smallest_within_noise"] else None,
        )
    found.caption = "* the smallest within noise of the best. + no other is better, smaller and faster."
    return found


def _ends(pace: Sequence[float] | None) -> str:
    return f" [{pace[0]:.1f}, {pace[1]:.1f}]" if pace else ""


def whole(of: Table, console: Any) -> int:
    """How wide a console must be for the table: a figure that is cut off is lost."""
    return max(int(console.width), Measurement.get(console, console.options.update(max_width=1000), of).maximum)


def importance(of: Shown) -> Iterator[str]:
    """Of each swept key, the share of the variance of quality that its values explain alone."""
    if len(of.trials) < 2:
        return
    width = max(len(key) for key in of.importance)
    yield "How much of the variance each key explains alone:"
    for key, share in of.importance.items():
        yield f"  {key:<{width}}  {share:4.0%}  {'█' * round(share * 30)}"


def write_parquet(of: Shown, file: Path) -> None:
    """One row a file, the best first; a column for each swept key, as text where its values differ in kind.

    Raises T515 when it cannot be written.
    """
    import pyarrow as pa
    from pyarrow import parquet

    rows = [_flat(trial, of.keys) for trial in of.trials]
    columns = {name: _column([row[name] for row in rows]) for name in rows[0]}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.table(columns), file)
    except OSError as error:
        raise fail("T515", f"{file} cannot be written: {error.strerror or error}", help="name another file") from None


def _flat(trial: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    quality = {f"quality_{name}": trial["quality"][name] for name in ("value", "low", "high")}
    named = ("name", "variant", "bytes", "rows_per_second", "pareto", "within_noise", "smallest_within_noise")
    pace = dict(zip(("rows_per_second_low", "rows_per_second_high"), trial["pace"] or (None, None), strict=True))
    return {
        **{name: trial[name] for name in named},
        **quality,
        **pace,
        **{key: trial["values"].get(key) for key in keys},
    }


def _column(values: list[Any]) -> list[Any]:
    kinds = {type(value) for value in values if value is not None}
    plain = kinds <= {str} or kinds <= {bool} or kinds <= {int, float}
    return values if plain else [None if value is None else shown.value(value) for value in values]
