"""The report's page: what the template is given, and how it writes numbers and foreign text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from stages import course
from stages.attack_figures import SAID
from stages.breakeven import breakeven, money
from stages.counting import counted
from stages.data_tables import cell, of_rows
from stages.drawing import Curve, Mark, curve, forest, read_curve
from stages.flips import Step
from stages.headline import headline, metric_name
from stages.rows import dumps
from stages.scatter import pareto, points, reliability
from stages.trials import FORMATS
from stages.wording import tame

TEMPLATE = "report.html.jinja"
SECTIONS = "report_sections.html.jinja"
MOST_CELLS = 30  # labels of a confusion matrix that is drawn
MOST_MARKS = 24  # systems in one plot
LAST_COLUMNS = ("schema_validity", "free_validity")
SPLITS = ("dev", "test")


def page(report: Mapping[str, Any], steps: Sequence[Step], curves: Mapping[str, Path]) -> str:
    """One HTML document. `report` is the table of the stage `report`, `curves` goes from variant to CSV file."""
    from markupsafe import Markup

    read = {name: read_curve(path) for name, path in curves.items()}
    plots = {"forest": _forest(report), "curve": _curve(read, report["variant"]), **_others(report)}
    drawn = {name: [Markup(svg) for svg in both] for name, both in plots.items()}  # noqa: S704 our own drawing
    return str(
        _environment()
        .get_template(TEMPLATE)
        .render(
            report=report,
            headline=headline(report),
            chosen=next(system for system in report["systems"] if system["chosen"]),
            best=best_baseline(report["systems"]),
            groups=groups(report["systems"]),
            metrics=columns(report["systems"], report["primary"]),
            steps=steps,
            sections=SECTIONS,
            tables=list(of_rows(report["data"])),
            confusion=_confusion(report["details"] or {}),
            plots=drawn,
            words=in_words(report, read[report["variant"]]),
            dev_loss=read[report["variant"]].dev,
            variants=len(curves),
            course=list(course.lines(report["trainings"][report["variant"]])),
            signals=course.seen(report["trainings"]),
            swept=swept(report),
            costed=any("cost_per_1000" in system for system in report["systems"]),
            attack_figures=SAID,
        )
    )


def groups(systems: Sequence[Mapping[str, Any]]) -> list[tuple[str | None, list[Mapping[str, Any]]]]:
    """Baselines under None, then each variant's systems; in the order given."""
    found: dict[str | None, list[Mapping[str, Any]]] = {}
    for system in systems:
        found.setdefault(system["variant"], []).append(system)
    return list(found.items())


def swept(report: Mapping[str, Any]) -> list[str]:
    """The keys of a sweep that the page's table has a column for; a file's format is in its name."""
    trials = report.get("sweep", {}).get("trials", ())
    return [key for key in dict.fromkeys(key for trial in trials for key in trial["values"]) if key != FORMATS]


def columns(systems: Sequence[Mapping[str, Any]], primary: str) -> list[str]:
    """Every metric that some system has: the primary one first, exact match next, validity last."""
    names = {name for system in systems for part in SPLITS for name in system[part] or ()}
    others = sorted(names - {primary, *LAST_COLUMNS}, key=lambda name: (name != "exact_match", name))
    return [name for name in (primary, *others, *LAST_COLUMNS) if name in names]


def best_baseline(systems: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The baseline that the chosen file leads by least."""
    beside = [system for system in systems if system["kind"] == "baseline" and system["ahead"]]
    return min(beside, key=lambda system: (system["ahead"]["value"], system["name"]), default=None)


def _others(report: Mapping[str, Any]) -> dict[str, list[str]]:
    """The plots that not every build has: quality against size and time, and calibration."""
    systems, primary = report["systems"], report["primary"]
    if len(systems) > MOST_MARKS:
        systems = [system for system in systems if system["variant"] in (None, report["variant"])]
    found: dict[str, list[str]] = {}
    for name, cost, axis in (("size", "bytes", "MB"), ("time", "rows_per_second", "seconds a row, several at once")):
        dots = points(systems, primary, cost)
        found[name] = [pareto(dots, axis, narrow=narrow) for narrow in (False, True)] if len(dots) > 1 else []
    bins = (report["details"] or {}).get("calibration")
    found["cost"] = _breakeven(report.get("cost") or {})
    found["calibration"] = [reliability(bins, narrow=narrow) for narrow in (False, True)] if bins else []
    return found


def _breakeven(cost: Mapping[str, Any]) -> list[str]:
    curve = cost.get("curve")
    return [breakeven(curve, cost["currency"], narrow=narrow) for narrow in (False, True)] if curve else []


def _confusion(details: Mapping[str, Any]) -> dict[str, Any] | None:
    """The matrix as the template writes it; None where labels are too many for one. heat: 0 to 3, by share."""
    matrix = details.get("confusion")
    if not matrix or len(matrix) > MOST_CELLS:
        return None
    others = sorted({said for line in matrix.values() for said in line} - set(matrix))
    said = [*matrix, *others[: MOST_CELLS - len(matrix)]]
    lines = [(gold, [_cell(line, gold, one) for one in said]) for gold, line in matrix.items()]
    return {"said": said, "lines": lines}


def _cell(line: Mapping[str, int], gold: str, said: str) -> dict[str, Any]:
    rows, all_ = line.get(said, 0), sum(line.values())
    share = rows / all_ if all_ else 0
    return {"rows": rows, "right": gold == said, "heat": sum(share > least for least in (0, 0.1, 0.5))}


def _forest(report: Mapping[str, Any]) -> list[str]:
    systems, primary = report["systems"], report["primary"]
    if len(systems) > MOST_MARKS:
        systems = [system for system in systems if system["variant"] in (None, report["variant"])]
    several = len({system["variant"] for system in systems} - {None}) > 1
    marks = []
    for system in systems:
        dev, test = ((system[part] or {}).get(primary) for part in SPLITS)
        marks.append(Mark(tame(system["name" if several else "label"]), dev, test, system["chosen"]))
    return [forest(marks, report["threshold"], narrow=narrow) for narrow in (False, True)]


def _curve(curves: Mapping[str, Curve], chosen: str) -> list[str]:
    """Nothing when the chosen variant took fewer than two steps."""
    drawable = {name: of for name, of in curves.items() if len(of.steps) > 1}
    return [curve(drawable, chosen, narrow=narrow) for narrow in (False, True)] if chosen in drawable else []


def in_words(report: Mapping[str, Any], curve: Curve) -> dict[str, str]:
    """The plots for those who cannot see them; the tables hold every figure."""
    primary = report["primary"]
    figures = [
        (system["label"], part, (system[part] or {}).get(primary)) for system in report["systems"] for part in SPLITS
    ]
    told = [f"{name} {part} {f['value']:.3f} ({f['low']:.2f} to {f['high']:.2f})" for name, part, f in figures if f]
    loss = f"from {curve.loss[0]:.3f} to {curve.loss[-1]:.3f}" if curve.loss else "not recorded"
    return {
        "forest": f"{metric_name(primary)} with intervals; threshold {report['threshold']:g}. {'; '.join(told)}.",
        "size": f"{metric_name(primary)} against megabytes.",
        "time": f"{metric_name(primary)} against seconds a row.",
        "cost": "What the tuned and the prompted model have cost after each month.",
        "calibration": "Share of right labels against their probability.",
        "curve": f"Training loss over {curve.steps[-1] if curve.steps else 0:.0f} steps, {loss}.",
    }


# ---------------------------------------------------------------- the template's means


@cache
def _environment() -> Any:
    """Everything is escaped, and what could turn text around or hide it is made visible."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {
        "metric": metric_name,
        "figure": lambda value: signed(value, "{:.3f}"),
        "count": "{:,}".format,
        "counted": counted,
        "size": size,
        "money": money,
        "speed": speed,
        "signed": signed,
        "bound": "{:g}".format,
        "flow": dumps,
        "cell": cell,
        "capitalised": lambda text: text[:1].upper() + text[1:],
    }
    return env


def shown(value: Any) -> Any:
    """Foreign text without control characters and lone surrogates; markup of our own as it is."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return tame(value).encode("utf-8", "replace").decode()


def signed(value: float, form: str = "{:+.3f}") -> str:
    """With a minus as long as the plus."""
    return form.format(value).replace("-", "−")


def size(count: int) -> str:
    """145 MB; decimal units, as shops and hubs have them."""
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= step:
            return f"{count / step:.2f} {unit}" if unit == "GB" else f"{count / step:,.0f} {unit}"
    return f"{count} B"


def speed(rows_per_second: float) -> str:
    """Three figures are more than a measurement on a busy machine is worth; a rule's speed is not worth telling."""
    if rows_per_second > 10_000:
        return "> 10,000"
    return f"{rows_per_second:,.0f}" if rows_per_second >= 100 else f"{rows_per_second:.1f}"
