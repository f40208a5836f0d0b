"""The data card: what the rows are, where they went, and what is not known of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stages.contract import Contract
from stages.counting import counted
from stages.rows import Row

MOST = 30  # labels, fields or tags that are listed


def data_card(
    name: str, rows: Iterable[Row], splits: Mapping[str, Any], digest: str, contract: Contract
) -> Iterator[str]:
    """Lines of Markdown. digest: sha256 of the accepted rows."""
    columns: Counter[str] = Counter()
    tags: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    lengths: list[int] = []
    children = 0
    for row in rows:
        columns.update(row.input.keys())  # a mapping would be counts
        tags.update(row.tags)
        children += row.parent is not None
        answers.update(_said(row, contract))
        lengths.append(sum(len(str(value)) for value in row.input.values()))
    yield from (f"# Data of {name}", "", f"{counted(len(lengths), 'row')}; sha256 of them all `{digest}`.", "")
    yield from ("## Splits", "", "| split | rows |", "|---|---:|")
    yield from (f"| {split} | {splits[split]:,} |" for split in ("train", "dev", "test", "golden", "adversarial"))
    if children:
        yield from ("", f"Made from another row, which they name: {counted(children, 'row')}.")
    yield from ("", "## What goes in", "", *_listed("column", columns))
    if lengths:
        lengths.sort()
        middle, most = lengths[len(lengths) // 2], lengths[-1]
        yield from (f"Characters of an input: {middle:,} in the middle, {most:,} at most.", "")
    yield from ("## What comes out", "", *_listed("field" if contract.type == "json" else "label", answers))
    if tags:
        yield from ("## Tags of sources", "", *_listed("tag", tags))
    yield from ("## Not known", "", "Where rows come from, and under which terms, stands beside them in data/.")


def _said(row: Row, contract: Contract) -> list[str]:
    """The label of a row, or the fields of its answer."""
    if contract.type == "label":
        return [str(row.output)] if row.output is not None else []
    return list(row.output) if isinstance(row.output, dict) else []


def _listed(what: str, counts: Counter[str]) -> Iterator[str]:
    if not counts:
        yield from ("Texts.", "")
        return
    yield from (f"| {what} | rows |", "|---|---:|")
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    yield from (f"| {_flat(name)} | {many:,} |" for name, many in most[:MOST])
    if len(most) > MOST:
        yield f"| {len(most) - MOST:,} more | |"
    yield ""


def _flat(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
