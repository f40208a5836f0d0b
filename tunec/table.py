"""The table that a build ends with, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from stages.attack_figures import in_counts
from stages.counting import counted
from stages.rows import damaged, read_json
from tunec import stopped

REPORT = Path("build", "report", "report.json")
PAGE = Path("build", "report", "report.html")
TOLD = ("task_name", "verdict", "gates", "primary", "systems", "rows", "worth", "clusters")  # of every report
SHARES = {"exact_match": "exact", "accuracy": "accuracy", "schema_validity": "valid", "free_validity": "free"}
VERDICTS = {
    "ship": ("SHIP", "green"),
    "do_not_ship": ("DO NOT SHIP", "red"),
    "not_enough_evidence": ("NOT ENOUGH EVIDENCE", "yellow"),
}


def read_report(root: Path) -> dict[str, Any]:
    """The last build's report. Raises T407 when there is none, T861 when it is damaged or lacks what is told of it."""
    if not (root / REPORT).is_file():
        raise stopped.nothing_built(root)
    report = read_json(root / REPORT)
    lacking = [key for key in TOLD if not isinstance(report, dict) or key not in report]
    if lacking:
        raise damaged(REPORT, f"it lacks {', '.join(lacking)}")
    return dict(report)


def show(report: dict[str, Any], console: Console) -> None:
    """Systems with their dev figures and, where they were asked, their test figures; then the gates, what became of
    attacks that no gate bounds, and the verdict.
    """
    table = systems(report)
    # Whole even where the console is narrower, as a pipe's 80 columns are: a figure that is cut off is lost.
    whole = Measurement.get(console, console.options.update(max_width=1000), table).maximum
    console.width = max(console.width, whole)
    console.print(table)
    for gate in report["gates"]:
        mark, colour = {"pass": ("✓", "green"), "fail": ("✗", "red")}.get(gate["status"], ("?", "yellow"))
        console.print(f"[{colour}]{mark}[/] {gate['gate']}: {gate['reason']}")
    gated = {gate["gate"] for gate in report["gates"]}
    for name, said in attacked(report):
        if name not in gated:
            console.print(f"[dim]·[/] {name}: {said}")
    word, colour = VERDICTS[report["verdict"]]
    console.print(f"[bold {colour}]{word}[/]  {PAGE}")


def attacked(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What became of inputs that try to mislead: of the user's own rows, and of those that tunec made. By gate."""
    if (wrong := report.get("beside_wrong", {}).get("adversarial")) is not None:
        yield "adversarial", f"{wrong:,} of {counted(report['beside']['adversarial'], 'row')} got a wrong answer"
    figures = report.get("attacks", {}).get("figures", {})
    yield from ((name, f"of hostile inputs, {said}") for name, said in in_counts(figures).items())


def systems(report: dict[str, Any]) -> Table:
    primary = report["primary"]
    measured = {metric for system in report["systems"] for metric in system.get("test") or system.get("dev") or {}}
    shares = {metric: name for metric, name in SHARES.items() if metric in measured}
    table = Table(box=None, pad_edge=False, header_style="bold")
    priced = any("cost_per_1000" in system for system in report["systems"])
    last = ("rows/s", "MB", *(("per 1,000",) if priced else ()))
    for name in ("system", f"{primary} dev", f"{primary} test", *shares.values(), *last):
        table.add_column(name, justify="left" if name == "system" else "right", no_wrap=True)
    for system in report["systems"]:
        best = system.get("test") or system.get("dev") or {}
        speed, size = system.get("rows_per_second"), system.get("bytes")
        table.add_row(
            system["name"] + (" *" if system.get("chosen") else ""),
            _interval(system.get("dev"), primary),
            _interval(system.get("test"), primary),
            *(_share(best, metric) for metric in shares),
            "" if speed is None or speed > 1_000 else f"{speed:.1f}",
            "" if size is None else f"{size / 1e6:.0f}",
            *((_money(system.get("cost_per_1000")),) if priced else ()),
            style="bold" if system.get("chosen") else None,
        )
    table.caption = "* chosen. Intervals: two-sided. The shares: on test where asked, else on dev."
    return table


def _money(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _interval(figures: dict[str, Any] | None, metric: str) -> str:
    if not figures or metric not in figures:
        return ""
    figure = figures[metric]
    return f"{figure['value']:.3f} [{figure['low']:.2f}, {figure['high']:.2f}]"


def _share(figures: dict[str, Any], metric: str) -> str:
    return f"{figures[metric]['value']:.1%}" if metric in figures else ""
