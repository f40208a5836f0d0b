"""`tunec data show`: rows that were rejected or flagged, with file, line and what stands there.

No build keeps a copy of a rejected row. It is read again where it stands, and what is personal in it is hidden.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stages.data import DataParams
from stages.data_tables import OTHERS, funnel
from stages.diagnostics import fail
from stages.readers import read
from stages.reading.lines import bounded
from stages.reading.opening import open_text
from stages.rows import dumps, read_json, read_jsonl
from stages.shapes import kind
from stages.wording import tame
from tunec import finding_rows
from tunec.compiling import compile_workspace
from tunec.hiding import safe
from tunec.stopped import nothing_built

REPORT, REJECTED, FLAGGED = (Path("build", "data", name) for name in ("report.json", "rejected.jsonl", "flagged.jsonl"))
_REASONS = 10  # of a gate that are told


def shown(root: Path, reason: str | None, most: int) -> str:
    """What `reason` (a gate's name, or words of a reason) rejected or flagged; without one, how many each gate did. Of
    a row's id, where it stands.

    Raises T407 before the first build, and T613 for a reason or an id that nothing has.
    """
    if reason is None:
        return _gates(_report(root))
    found = rows(root, reason)
    if finding_rows.ID.fullmatch(reason):
        return finding_rows.worded(found)
    if not found:
        help = f"gates that did something: {', '.join(_report(root)['gates']) or 'none'}"
        raise fail("T613", f"no row was rejected or flagged for `{reason}`", help=help)
    texts = _texts(root, found[:most])
    lines = [
        f"{_place(one)}: [{one['gate']}] {one['reason']}\n    {texts.get((one['file'], one['line']), '')}"
        for one in found[:most]
    ]
    more = f"\n… and {len(found) - most:,} more: `--limit {len(found)}`" if len(found) > most else ""
    return tame("\n".join(lines)) + more


def rows(root: Path, reason: str | None) -> list[dict[str, Any]]:
    """The same, all of them, as they stand in the build's files; without a reason those of every gate. Of a row's id,
    its places in the sources. Raises T407 before the first build, and T613 for an id that no source has.
    """
    _report(root)
    if reason is not None and finding_rows.ID.fullmatch(reason):
        return finding_rows.places(root, reason)
    every = (one for file in (REJECTED, FLAGGED) for one in read_jsonl(root / file))
    return [one for one in every if reason is None or _fits(one, reason)]


def _report(root: Path) -> dict[str, Any]:
    if not (root / REPORT).is_file():
        raise nothing_built(root, "tunec build data")
    return dict(read_json(root / REPORT))


def _fits(one: Mapping[str, Any], reason: str) -> bool:
    return reason == one["gate"] or reason.lower() in one["reason"].lower()


def _place(one: Mapping[str, Any]) -> str:
    return f"{one['file']}:{one['line']}" + (f" (see {one['twin']})" if "twin" in one else "")


def _gates(report: Mapping[str, Any]) -> str:
    lines = [line for gate, told in report["gates"].items() for line in _gate(gate, told)]
    return "\n".join([funnel(report), *map(tame, lines), "`tunec data show GATE` prints them"])


def _gate(gate: str, told: Mapping[str, Any]) -> Iterator[str]:
    """What a gate did, and a line for each of its commonest reasons."""
    yield f"  {gate:<14}{told['rejected']:>9,} rejected {told['flagged']:>9,} flagged"
    yield from (f"  {one['rows']:>23,} {one['reason']}" for one in told["examples"][:_REASONS])
    if left := told["rejected"] + told["flagged"] - sum(one["rows"] for one in told["examples"][:_REASONS]):
        yield f"  {left:>23,} {OTHERS}"


def _texts(root: Path, found: list[dict[str, Any]]) -> dict[tuple[str, int], str]:
    """(file, line) -> what stands there now, on one line, with nothing personal in it."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for one in found:
        wanted[one["file"]].add(one["line"])
    params = DataParams(**compile_workspace(root, []).plan["data"].params)
    sources = {file: (source.format, source.encoding) for source in params.sources for file in source.files}
    texts: dict[tuple[str, int], str] = {}
    for file, lines in wanted.items():
        if (root / file).is_file():
            format, encoding = sources.get(file, ("auto", "auto"))
            told = _read(root / file, format, encoding, lines)
            texts |= {(file, line): safe(text, params.settings.regions) for line, text in told}
    return texts


def _read(path: Path, format: str, encoding: str, lines: set[int]) -> Iterator[tuple[int, str]]:
    if kind(path.name, format) == "jsonl":
        with open_text(path, encoding) as file:
            for number, (line, _) in enumerate(bounded(file), start=1):
                if number in lines:
                    yield number, line[:4000].decode("utf-8", "replace").strip()
        return
    for record in read(path, format, encoding):
        if record.line in lines and record.fields is not None:
            yield record.line, dumps(record.fields)
