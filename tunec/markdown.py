"""A build's report as Markdown, for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stages.card import withstood
from stages.headline import headline, metric_name
from stages.wording import tame

SIGNS = {"pass": "✓", "fail": "✗", "not_enough_evidence": "?"}


def markdown(report: Mapping[str, Any]) -> str:
    """The verdict, whether training was worth it, the gates, all systems, and what goes wrong."""
    return "\n".join(map(tame, _lines(report)))


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    said = headline(report)
    yield from (f"## {_plain(report['task_name'])}: {said.title}", "", _plain(said.why), "", f"Next: {said.next}", "")
    yield from (f"**{report['worth']['title']}.** {_plain(report['worth']['why'])}", "")
    yield from ("| gate | | figure | bound | reason |", "|---|---|---:|---:|---|")
    for gate in report["gates"]:
        figure = "–" if gate["figure"] is None else f"{gate['figure']:.3f}"
        sign = SIGNS[gate["status"]]
        yield f"| {_plain(gate['gate'])} | {sign} | {figure} | {gate['bound']:g} | {_plain(gate['reason'])} |"
    yield from ("", *_systems(report))
    if (wrong := report.get("beside_wrong", {}).get("adversarial")) is not None:
        yield from ("", f"Adversarial rows: {wrong:,} of {report['beside']['adversarial']:,} got a wrong answer.")
    if (attacks := report.get("attacks")) and attacks["rows"]:
        yield from ("", f"Hostile inputs: {withstood(attacks['figures'])}.")
    if report["clusters"]:
        yield from ("", "| wrong answers | rows | likely | repair |", "|---|---:|---|---|")
        for item in report["clusters"][:8]:
            what = ", ".join(filter(None, [item["kind"], item["what"], " ".join(item["terms"])]))
            yield f"| {_plain(what)} | {item['rows']:,} | {item['cause']} | {_plain(item['advice'])} |"
    yield ""


def _systems(report: Mapping[str, Any]) -> Iterator[str]:
    primary = report["primary"]
    yield f"| system | {_plain(metric_name(primary))} on test | on dev | rows/s | MB |"
    yield "|---|---:|---:|---:|---:|"
    for system in report["systems"]:
        name = f"**{_plain(system['name'])}**" if system["chosen"] else _plain(system["name"])
        speed, size = system["rows_per_second"], system["bytes"]
        others = ["–" if speed is None else f"{speed:.1f}", "–" if size is None else f"{size / 1e6:.0f}"]
        figures = [_figure((system[part] or {}).get(primary)) for part in ("test", "dev")]
        yield f"| {' | '.join([name, *figures, *others])} |"


def _figure(figure: Mapping[str, float] | None) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})" if figure else "–"


def _plain(text: str) -> str:
    """Text that ends no cell and starts no markup."""
    flat = " ".join(str(text).split())
    return "".join(f"\\{c}" if c in "|`*_<>[]" else c for c in flat)
