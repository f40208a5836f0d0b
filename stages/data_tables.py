"""What is told of the rows, as tables; and the two pages that show them: Markdown, and HTML that stands alone.

The tables of `of_rows` are about the accepted rows and nothing else, so the build's own page has them, too: a duplicate
in a source changes none of them. What was read and rejected stands on the data's own page alone (docs/adr/0017).
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from stages.counting import counted
from stages.wording import tame

_MOST = 20  # values of a kind, and reasons, that are listed
OTHERS = "other reasons"
Cells = tuple[Any, ...]


class Table(NamedTuple):
    """columns: their names, the first one's among them. rows: a cell a column; None is empty. note: said above it."""

    title: str
    columns: tuple[str, ...]
    rows: list[Cells]
    note: str = ""


def of_rows(facts: Mapping[str, Any]) -> Iterator[Table]:
    """What the accepted rows are, where there is something to tell."""
    if words := facts["words"]:
        named = {"median": "in the middle", "p95": "of 95% at most", "longest": "the longest"}
        rows = [(named[name], f"{many:,}{'+' if many >= 1000 else ''}") for name, many in words.items()]
        yield Table("Length", ("input", "words"), rows)
    for name, title in _COUNTED.items():
        if counts := facts[name]:
            most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            more = [(f"{len(most) - _MOST:,} more", sum(many for _, many in most[_MOST:]))] if len(most) > _MOST else []
            yield Table(title, ("", "rows"), [*most[:_MOST], *more])
    if facts["quotas"]:
        quotas = [
            (f"{q['by']} {q['value']}", q["rows"], *map(_bound, (q.get("min"), q.get("max"))), q["missing"] or None)
            for q in facts["quotas"]
        ]
        yield Table("Quotas", ("", "rows", "at least", "at most", "missing"), quotas, "Of rows that may be trained on.")
    near = facts["near"]
    if near["clusters"]:
        alike, clusters = counted(near["rows"], "row", "is", "are"), counted(near["clusters"], "cluster")
        note = f"{alike} alike in {clusters}; a cluster lies in one split."
        yield Table("Alike", ("rows", "some of them"), [(c["rows"], ", ".join(c["ids"])) for c in near["first"]], note)


_COUNTED = {
    "labels": "Labels",
    "languages": "Languages and scripts",
    "tags": "Tags",
    "licenses": "Licences",
    "held": "Personal data and secrets, in accepted rows",
}


def every(told: Mapping[str, Any]) -> Iterator[Table]:
    """From what was read to what was accepted, with reasons and examples; then the accepted rows' own."""
    files = [(file, one["read"], one["accepted"]) for file, one in told["files"].items()]
    yield Table("Files", ("file", "read", "accepted"), files)
    steps: list[Cells] = [("read", None, None, told["read"])]
    left = told["read"]
    for gate, one in told["gates"].items():
        left -= one["rejected"]
        steps.append((gate, one["rejected"], one["flagged"], left))
    if told["unanswered"]:
        steps.append(("for a teacher to answer", None, None, left - told["unanswered"]))
    yield Table("From read to accepted", ("gate", "rejected", "flagged", "left"), steps)
    if reasons := [row for gate, one in told["gates"].items() for row in _reasons(gate, one)]:
        note = "`tunec data show GATE` prints the rows."
        yield Table("Reasons", ("gate", "reason", "rows", "first"), reasons, note)
    if told["personal"]:
        found = sorted(told["personal"].items(), key=lambda item: (-item[1], item[0]))
        yield Table("Personal data and secrets, in all rows read", ("", "rows"), list(found))
    yield from of_rows(told)


def _reasons(gate: str, told: Mapping[str, Any]) -> Iterator[Cells]:
    for one in told["examples"]:
        yield gate, one["reason"], one["rows"], ", ".join(one["examples"])
    if left := told["rejected"] + told["flagged"] - sum(one["rows"] for one in told["examples"]):
        yield gate, OTHERS, left, None


def _bound(value: float | None) -> str | None:
    return None if value is None else f"{value:.0%}" if value < 1 else f"{value:,g}"


def funnel(told: Mapping[str, Any]) -> str:
    """What became of the rows that were read: every one of them is in one of these numbers."""
    waiting = f", {told['unanswered']:,} for a teacher to answer" if told["unanswered"] else ""
    return f"{counted(told['read'], 'row')} read, {told['accepted']:,} accepted, {told['rejected']:,} rejected{waiting}"


def cell(value: Any) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


# ---------------------------------------------------------------- the two pages


def markdown(told: Mapping[str, Any]) -> str:
    lines = ["# Data", "", f"{funnel(told)}.", ""]
    for table in every(told):
        lines += [f"## {table.title}", "", *([table.note, ""] if table.note else [])]
        lines += [f"| {' | '.join(table.columns)} |", "|---" * len(table.columns) + "|"]
        lines += [f"| {' | '.join(map(_flat, row))} |" for row in table.rows] + [""]
    return "\n".join(lines)


def _flat(value: Any) -> str:
    """No cell of a row's text makes a table, a link or a tag of its own."""
    text = cell(value).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("[", "\\[")
    return tame(" ".join(text.split())).replace("`", "\\`")


def page(told: Mapping[str, Any]) -> str:
    """One HTML document with no script and nothing outside itself; every value is escaped."""
    sections = "".join(map(_section, every(told)))
    return _PAGE.format(head=_shown(f"{funnel(told)}."), sections=sections)


def _section(table: Table) -> str:
    note = f"<p>{_shown(table.note)}</p>" if table.note else ""
    heads = "".join(f'<th scope="col">{_shown(name)}</th>' for name in table.columns)
    rows = "".join(f"<tr>{''.join(map(_data, row))}</tr>" for row in table.rows)
    scroll = f'<div class="scroll" role="region" aria-label="{_shown(table.title)}" tabindex="0">'
    inside = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<section><h2>{_shown(table.title)}</h2>{note}{scroll}{inside}</div></section>\n"


def _data(value: Any) -> str:
    kind = ' class="number"' if isinstance(value, int) else ""
    return f"<td{kind}><bdi>{_shown(cell(value))}</bdi></td>"


def _shown(text: str) -> str:
    return html.escape(tame(text).encode("utf-8", "replace").decode())


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'">
<meta name="color-scheme" content="light dark">
<title>Data</title>
<style>
body {{ margin: 0; padding: 2.5rem 1.25rem; font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }}
main {{ max-width: 60rem; margin: 0 auto; }}
section {{ margin-top: 2.25rem; }}
.scroll {{ overflow-x: auto; }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: left; padding: .35rem .9rem .35rem 0; border-bottom: 1px solid #8884; vertical-align: top; }}
.number {{ text-align: right; }}
</style>
</head>
<body>
<main>
<h1>Data</h1>
<p>{head}</p>
{sections}</main>
</body>
</html>
"""
