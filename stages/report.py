"""Everything that a build measured, as one page for people and as one table for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any

from stages import pace
from stages.base import Key, Params, Read, Stage, Write
from stages.flips import read_flips
from stages.page import page
from stages.rows import dumps, read_json, read_jsonl, write_json
from stages.trials import FORMATS, Trial, told
from stages.worth import worth

SEED = "training.seed"
LEAKS = 50  # that are listed


@dataclass(frozen=True)
class Inputs:
    """Dicts from label to path: `VARIANT` for curves and trainings, `VARIANT-CANDIDATE` for speeds, `BASELINE[-MODEL]`
    for baselines.

    Of `data` it reads what is told of accepted rows alone: a duplicate row in a source draws nothing anew.
    """

    dev: Annotated[Path, Read("select.scores")]
    choice: Annotated[Path, Read("select.choice")]
    reason: Annotated[Path, Read("select.reason")]
    test: Annotated[Path, Read("score.scores")]
    flips: Annotated[Path, Read("score.flips")]
    verdict: Annotated[Path, Read("gate.verdict")]
    splits: Annotated[Path, Read("splits.report")]
    data: Annotated[Path, Read("data.facts")]
    leaks: Annotated[Path, Read("splits.leaks")]
    curves: Annotated[dict[str, Path], Read("train.curve")]
    trainings: Annotated[dict[str, Path], Read("train.report")]
    speeds: Annotated[dict[str, Path], Read("predict.speed")]
    baseline_speeds: Annotated[dict[str, Path], Read("baseline.speed")]
    test_speed: Annotated[Path, Read("test.speed")]
    details: Annotated[Path | None, Read("score.details")] = None
    clusters: Annotated[Path | None, Read("score.clusters")] = None
    checks: Annotated[Path | None, Read("test.checks")] = None
    cost: Annotated[Path | None, Read("cost.table")] = None
    shrunk: Annotated[dict[str, Path], Read("quantize.report")] = field(default_factory=dict)
    models: Annotated[dict[str, Path], Read("model.facts")] = field(default_factory=dict)


class ReportParams(Params):
    """Keys that are the same for every variant of a sweep; what differs is in the variants' names."""

    task_name: Annotated[str, Key("task_name")]
    version: Annotated[str | None, Key("version")]
    goal: Annotated[str | None, Key("goal")]
    non_goals: Annotated[str | None, Key("non_goals")]
    primary: Annotated[str, Key("success_criteria.primary_metric")]
    threshold: Annotated[float, Key("success_criteria.threshold")]
    confidence: Annotated[float, Key("evaluation.confidence")]
    swept: Annotated[dict[str, dict[str, Any]] | None, Key("swept", swept=True)] = None


@dataclass(frozen=True)
class Outputs:
    page: Annotated[Path, Write("report.html")]
    table: Annotated[Path, Write("report.json")]


def run(inputs: Inputs, params: ReportParams, out: Outputs) -> None:
    """out.table: what `table` gives. out.page: one HTML file with no script and nothing outside itself.

    The same inputs give the same bytes: no time, path or machine is named, and speeds are read from files.
    """
    report = table(inputs, params)
    write_json(out.table, report)
    out.page.write_text(page(report, read_flips(inputs.flips), inputs.curves), encoding="utf-8")


def table(inputs: Inputs, params: ReportParams) -> dict[str, Any]:
    """The task's own words, verdict and gates, sizes of the splits, and the systems as `systems` lists them."""
    names = ("dev", "choice", "reason", "test", "verdict", "splits", "data", "test_speed")
    read = {name: read_json(getattr(inputs, name)) for name in names}
    speeds = {label: read_json(path) for label, path in {**inputs.speeds, **inputs.baseline_speeds}.items()}
    choice = read["choice"] | read["reason"]
    listed = systems(read["dev"], read["test"], choice, speeds, params.primary, list(inputs.curves))
    cost = read_json(inputs.cost) if inputs.cost else None
    priced(listed, speeds, cost["hour"] if cost else None)
    return {
        **params.model_dump(exclude={"swept"}),
        "verdict": read["verdict"]["verdict"],
        "gates": read["verdict"]["gates"],
        "rows": {name: read["splits"][name] for name in ("train", "dev", "test")},
        "chosen": choice["chosen"],
        "variant": choice["variant"],
        "reason": choice["reason"],
        "served_rows_per_second": read["test_speed"]["chosen"]["rows_per_second"],
        "slices": read["test"]["slices"],
        "beside": {name: apart["rows"] for name, apart in read["test"]["beside"].items()},
        "beside_wrong": {name: len(apart["wrong"]) for name, apart in read["test"]["beside"].items()},
        "systems": listed,
        "worth": worth(listed, params.primary, read["splits"]["test"], params.confidence),
        "splits": read["splits"],
        "ends": read["test"].get("ends", {}),
        **({"preference": read["test"]["preference"]} if "preference" in read["test"] else {}),
        **({"attacks": read["test"]["attacks"]} if "attacks" in read["test"] else {}),
        "data": read["data"],
        "leaks": list(islice(read_jsonl(inputs.leaks), LEAKS)),
        "served": read["test_speed"]["chosen"],
        "seeds": spread(read["dev"]["systems"], params.swept or {}, params.primary),
        "details": _read(inputs.details),
        "clusters": _read(inputs.clusters),
        "checks": _read(inputs.checks),
        "trainings": {name: read_json(path) for name, path in inputs.trainings.items()},
        "shrunk": {name: read_json(path) for name, path in inputs.shrunk.items()},
        "provenance": _provenance(inputs, choice, read["test"]),
        **({"cost": cost} if cost else {}),
        **({"sweep": told(_trials(listed, params), params.confidence)} if params.swept else {}),
    }


def priced(systems: list[dict[str, Any]], speeds: Mapping[str, Mapping[str, float]], hour: float | None) -> None:
    """Write into each system what a thousand requests cost: of an endpoint what it asked, else its seconds by the price
    of an hour. Nothing where none has a price.
    """
    found = {name: _per_1000(speeds.get(name, {}), hour) for name in (system["name"] for system in systems)}
    if any(value is not None for value in found.values()):
        for system in systems:
            system["cost_per_1000"] = found[system["name"]]


def _per_1000(speed: Mapping[str, float], hour: float | None) -> float | None:
    rate = speed.get("rows_per_second")
    return speed.get("cost_per_1000") or (1000 * hour / 3600 / rate if hour is not None and rate else None)


def _trials(systems: list[dict[str, Any]], params: ReportParams) -> list[Trial]:
    """Every file of every variant, with what the sweep chose for it."""
    return [
        Trial(
            system["name"],
            system["variant"],
            {**(params.swept or {}).get(system["variant"], {}), FORMATS: system["label"]},
            system["dev"][params.primary],
            system["bytes"],
            system["rows_per_second"],
            system["pace"],
        )
        for system in systems
        if system["bytes"] is not None and system["dev"]
    ]


def _read(path: Path | None) -> Any:
    return read_json(path) if path else None


def _provenance(inputs: Inputs, choice: Mapping[str, Any], test: Mapping[str, Any]) -> dict[str, Any]:
    """What the chosen file was made of, by hash."""
    facts = {name: read_json(path) for name, path in inputs.models.items()}
    fitting = [name for name in facts if choice["variant"].startswith(f"{name}-")]
    model = facts[max(fitting, key=len)] if fitting else None
    return {"model": model, "test_sha256": test.get("versions", {}).get("test")}


def spread(dev: Mapping[str, Any], swept: Mapping[str, Mapping[str, Any]], primary: str) -> list[dict[str, Any]]:
    """Of variants that differ in `training.seed` alone, mean and standard deviation of their f16 files on dev.

    swept: variant -> the values that a sweep chose for it. They go by the name of the first of them.
    """
    groups: dict[str, list[str]] = {}
    for variant, values in swept.items():
        if SEED in values and f"{variant}-f16" in dev:
            groups.setdefault(dumps({**values, SEED: None}, sort_keys=True), []).append(variant)
    several = {min(names): names for names in groups.values() if len(names) > 1}
    values = {name: [dev[f"{one}-f16"][primary]["value"] for one in names] for name, names in several.items()}
    return [
        {"variant": name, "seeds": len(of), "mean": mean(of), "spread": stdev(of)}
        for name, of in sorted(values.items())
    ]


def systems(
    dev: Mapping[str, Any],
    test: Mapping[str, Any],
    choice: Mapping[str, Any],
    speeds: Mapping[str, Mapping[str, float]],
    primary: str,
    variants: list[str],
) -> list[dict[str, Any]]:
    """Baselines from weak to strong, then the chosen variant's files from large to small, then the other variants'.

    Each is {name, label, kind, variant, dev, test, ahead, rows_per_second, pace, bytes, chosen}; null where there is
    none. `ahead` is the chosen file's lead over it on test. `rows_per_second` and its interval `pace` are of dev.
    """
    tested = _by_name(test["systems"], choice, dev["systems"])
    ahead = _by_name(test["ahead"], choice, dev["systems"])
    found = [
        {
            "name": name,
            **_what(name, variants),
            "dev": dev["systems"].get(name),
            "test": tested.get(name),
            "ahead": ahead.get(name),
            "rows_per_second": speeds.get(name, {}).get("rows_per_second"),
            "pace": pace.told(speeds.get(name, {})),
            "bytes": choice["bytes"].get(name),
            "chosen": name == choice["chosen"],
        }
        for name in {**dev["systems"], **tested}
    ]
    return sorted(found, key=lambda system: _order(system, choice["variant"], primary))


def _by_name(of: Mapping[str, Any], choice: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """On test the chosen variant's files go by their candidate alone; here by the same name as on dev."""
    whole = {name: f"{choice['variant']}-{name}" for name in of}
    return {whole[name] if whole[name] in known else name: value for name, value in of.items()}


def _what(name: str, variants: list[str]) -> dict[str, str | None]:
    """A system's kind, its variant, and what it is called beside others of that variant."""
    variant = max((v for v in variants if name.startswith(f"{v}-")), key=len, default=None)
    if variant is None:
        return {"kind": "baseline", "variant": None, "label": name}
    candidate = name.removeprefix(f"{variant}-")
    return {"kind": candidate if candidate in ("tuned", "f16") else "quantized", "variant": variant, "label": candidate}


def _order(system: Mapping[str, Any], chosen: str, primary: str) -> tuple[Any, ...]:
    if system["kind"] == "baseline":
        figures = system["test"] or system["dev"]
        return (0, figures[primary]["value"], "", 0, 0, system["name"])
    step = ("tuned", "f16", "quantized").index(system["kind"])
    return (1, system["variant"] != chosen, system["variant"], step, -(system["bytes"] or 0), system["name"])


STAGE = Stage(
    name="report",
    summary="Draws the page and the table of a build",
    run=run,
    inputs=Inputs,
    params=ReportParams,
    outputs=Outputs,
    libraries=("jinja2", "matplotlib"),
)
