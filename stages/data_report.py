"""What the data stage tells of the rows: as JSON for what reads it, as Markdown for who does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.corpus import KEEP_FIRST, Corpus
from stages.data_gates.quotas import missing
from stages.judging_rows import actions
from stages.rows import write_json
from stages.seen import Settings

if TYPE_CHECKING:
    from stages.data import Tally

_MOST = 20  # reasons, labels and examples that are listed


def report(corpus: Corpus, clusters: list[list[int]], tally: Tally, settings: Settings) -> dict[str, Any]:
    """Counts: the funnel, reasons by gate, and what the accepted rows are."""
    kept = corpus.kept().tolist()
    duplicates = sum(many for (gate, _), many in tally.reasons.items() if gate == "duplicates")
    reasons: Counter[str] = Counter()
    for (_, reason), many in tally.reasons.items():
        reasons[reason] += many
    return {
        "read": tally.read.total(),
        "accepted": len(kept),
        "rejected": tally.reasons.total(),
        "unanswered": tally.unanswered,
        "duplicates": duplicates,
        "reasons": dict(reasons.most_common(_MOST)),
        "gates": _gates(tally, actions(settings)),
        "files": _files(corpus, kept, tally),
        "official_splits": dict(Counter(str(KEEP_FIRST[corpus.ranks[place]]) for place in kept)),
        "labels": _counted(corpus, kept, "label"),
        "languages": _counted(corpus, kept, "language"),
        "licenses": _counted(corpus, kept, "license"),
        "tags": _counted(corpus, kept, "tag"),
        "words": _lengths(corpus, kept),
        "personal": dict(tally.personal),
        "quotas": missing(corpus, settings),
        "near": {
            "clusters": len(clusters),
            "rows": sum(map(len, clusters)),
            "largest": max(map(len, clusters), default=0),
        },
    }


def _gates(tally: Tally, doing: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for what, counts in (("rejected", tally.reasons), ("flagged", tally.flags)):
        for (gate, reason), many in counts.items():
            told = found.setdefault(
                gate, {"action": doing.get(gate, "reject"), "rejected": 0, "flagged": 0, "reasons": {}}
            )
            told[what] += many
            if len(told["reasons"]) < _MOST:
                told["reasons"][reason] = told["reasons"].get(reason, 0) + many
    return found


def _files(corpus: Corpus, kept: list[int], tally: Tally) -> dict[str, Any]:
    accepted = Counter(corpus.sources[place] for place in kept)
    named = {corpus.files[number]: many for number, many in accepted.items()}
    return {file: {"read": many, "accepted": named.get(file, 0)} for file, many in tally.read.items()}


def _counted(corpus: Corpus, kept: list[int], trait: str) -> dict[str, int]:
    values = corpus.values(trait)
    counts = Counter(value for place in kept for value in values[place].split("\x1f") if value)
    return dict(counts)


def _lengths(corpus: Corpus, kept: list[int]) -> dict[str, int]:
    """Words of the inputs, at the median, the 95th percentile and the longest; 1,000 stands for more."""
    values = corpus.values("words")
    found = sorted(int(values[place]) for place in kept)
    return (
        {"median": found[len(found) // 2], "p95": found[int(0.95 * (len(found) - 1))], "longest": found[-1]}
        if found
        else {}
    )


def write(told: dict[str, Any], json: Path, page: Path) -> None:
    write_json(json, told)
    page.write_text("\n".join(markdown(told)) + "\n", encoding="utf-8")


def markdown(told: Mapping[str, Any]) -> Iterator[str]:
    """A page of what came in, what was left out and why, and what there is to train on."""
    yield from (
        "# Data",
        "",
        f"{told['read']:,} rows read, {told['accepted']:,} accepted, {told['rejected']:,} rejected{_waiting(told)}.",
        "",
    )
    yield from _table("file", ("read", "accepted"), told["files"])
    if told["gates"]:
        yield from ("## Gates", "")
        yield from _table("gate", ("action", "rejected", "flagged"), told["gates"])
        yield from (
            f"- {gate}: {why} ({many:,})"
            for gate, one in sorted(told["gates"].items())
            for why, many in one["reasons"].items()
        )
        yield ""
    for name, title in (
        ("labels", "Labels"),
        ("languages", "Languages"),
        ("tags", "Tags"),
        ("licenses", "Licences"),
        ("personal", "Personal data, by kind"),
    ):
        if told[name]:
            counts = sorted(told[name].items(), key=lambda item: (-item[1], item[0]))[:_MOST]
            yield from (f"## {title}", "")
            yield from _table("", ("rows",), {value: {"rows": many} for value, many in counts})
    if told["quotas"]:
        yield from ("## Quotas", "")
        yield from _table("", ("rows", "min", "max", "missing"), {f"{q['by']} {q['value']}": q for q in told["quotas"]})
    near = told["near"]
    largest = f"of which the largest has {near['largest']:,}"
    yield f"{near['rows']:,} accepted rows are alike in {near['clusters']:,} clusters, {largest}."


def _waiting(told: Mapping[str, Any]) -> str:
    return f", {told['unanswered']:,} for a teacher to answer" if told["unanswered"] else ""


def _table(head: str, columns: tuple[str, ...], rows: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield f"| {head} | {' | '.join(columns)} |"
    yield "|---" * (len(columns) + 1) + "|"
    for name, row in rows.items():
        cells = (row.get(column) for column in columns)
        yield f"| {_cell(name)} | {' | '.join('' if cell is None else _cell(cell) for cell in cells)} |"
    yield ""


def _cell(value: Any) -> str:
    """No cell of a row's text makes a table, a link or a tag of its own."""
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ").replace("[", "\\[")
