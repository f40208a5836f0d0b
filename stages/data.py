"""Sources -> accepted rows, and rejected ones with reasons. Rows read = accepted + rejected, always; where a teacher is
to answer rows, plus those that wait for it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TextIO

from stages import audit, data_report, data_tables, lost_rows
from stages.base import At, File, Key, Made, Params, Stage, Write
from stages.catalog import DataGate, members
from stages.corpus import Corpus, Finding
from stages.counting import counted
from stages.diagnostics import Diagnostic, Span
from stages.hub_rows import files_of
from stages.judging_rows import Batch, Given, Judge, actions, judge
from stages.making import Making, Source
from stages.progress import tell, warn
from stages.readers import read
from stages.reviewing import WAITS, Queue
from stages.rows import dumps, write_json
from stages.second_looks import Judging, Reviewing
from stages.seen import Settings
from stages.unanswered import part

# Duplicates first, so that no other gate sees a row twice; what is counted over all rows, last.
_ORDER = (
    "duplicates",
    "mixed",
    "consistency",
    "near",
    "contrasts",
    "semantic",
    "clusters",
    "ids",
    "quotas",
    "labels",
    "balance",
)


_EXAMPLES = 3  # rows that are named for a reason
_DIFFERENT = 1000  # reasons that are counted apart


@dataclass(frozen=True)
class Inputs:
    files: Annotated[tuple[Path, ...], File("data.files")]
    embedder: Annotated[Path | None, File("data.dedupe.embedder")] = None
    judge_prompt: Annotated[Path | None, File("data.judge.prompt")] = None
    decisions: Annotated[Path | None, File("data.decisions")] = None


class DataParams(Params):
    sources: Annotated[tuple[Source, ...], Key("data.sources")]
    making: Making
    settings: Settings
    judge: Annotated[Judging | None, Key("data.judge", rare=True)] = None
    review: Annotated[Reviewing | None, Key("data.review", rare=True)] = None


@dataclass(frozen=True)
class Outputs:
    accepted: Annotated[Path, Write("accepted.jsonl")]
    rejected: Annotated[Path, Write("rejected.jsonl")]
    flagged: Annotated[Path, Write("flagged.jsonl")]
    unanswered: Annotated[Path, Write("unanswered.jsonl")]
    near: Annotated[Path, Write("near.jsonl")]
    review: Annotated[Path, Write("review.jsonl")]
    page: Annotated[Path, Write("report.md")]
    html: Annotated[Path, Write("report.html")]
    facts: Annotated[Path, Write("facts.json")]
    report: Annotated[Path, Write("report.json", "metrics")]


@dataclass
class Tally:
    """What has happened so far, and the files that it is written to. first: where each reason is met first. queue: what
    waits for a person. more: what the report tells beside the counts.
    """

    rejected: TextIO
    flagged: TextIO
    queue: Queue
    read: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    flags: Counter[tuple[str, str]] = field(default_factory=Counter)
    personal: Counter[str] = field(default_factory=Counter)
    first: dict[tuple[str, str], Span] = field(default_factory=dict)
    unanswered: int = 0
    examples: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    more: dict[str, Any] = field(default_factory=dict)

    def reject(self, file: str, line: int, gate: str, reason: str, **more: Any) -> None:
        why = self._why(gate, reason)
        self.reasons[why] += 1
        self.first.setdefault(why, Span(file, line))
        self._example(file, line, *why, more)
        self.rejected.write(dumps({"file": file, "line": line, "gate": gate, "reason": reason, **more}) + "\n")

    def flag(self, file: str, line: int, gate: str, reason: str, **more: Any) -> None:
        self.flags[gate, reason] += 1
        self._example(file, line, gate, reason, more)
        self.flagged.write(dumps({"file": file, "line": line, "gate": gate, "reason": reason, **more}) + "\n")

    def _why(self, gate: str, reason: str) -> tuple[str, str]:
        """What a rejection counts as. Where each row has a reason of its own, those that come late are one."""
        why = gate, lost_rows.counted_as(reason)
        return why if why in self.reasons or len(self.reasons) < _DIFFERENT else (gate, data_tables.OTHERS)

    def _example(self, file: str, line: int, gate: str, reason: str, more: Mapping[str, Any]) -> None:
        """File and line of the first few, with the id of a row that has one."""
        known = self.examples[gate, reason]
        if len(known) < _EXAMPLES:
            known.append(f"{file}:{line}" + (f" ({more['id']})" if "id" in more else ""))


def run(inputs: Inputs, params: DataParams, out: Outputs) -> None:
    """Read every source, hold every row against the contract and the gates.

    out.accepted: JSONL of rows, sorted by id, so that neither order nor duplicates of source rows change a byte.
    out.rejected, out.flagged: JSONL of {file, line, gate, reason}, with the `id` and the `twin` of a row that has them;
    never what stood there, but for the name of a label that the contract lacks. out.unanswered: JSONL of rows that a
    teacher is to answer, where the task wants it.
    out.near: JSONL of {"rows": ids, "how": alike, lineage or meaning}, of accepted rows that belong together.
    out.review: JSONL of {id, file, line, why, input, output}, of rows that wait for a person. out.facts: counts of the
    accepted rows. out.report, out.page, out.html: those, and what was read and rejected.
    Raises T301 when no row is left, T683 when more than half of them break the contract, with the most frequent
    reasons, and T686 when none is left for a split that a source is there for; T352 when answers could not be held to
    the contract: better here than after the training. T894 and T895 when a decision cannot be read or taken, T748 and
    T720 to T722 when a judge cannot be asked.
    """
    params.making.contract.grammar()
    told = sort(params, out, inputs)
    counts = {name: told[name] for name in ("read", "accepted", "rejected", "unanswered")}
    decided = {gate: {what: one[what] for what in ("rejected", "flagged")} for gate, one in told["gates"].items()}
    decisions = (inputs.decisions,) if inputs.decisions else ()
    audit.note((*inputs.files, *decisions), actions(params.settings), counts, decided=decided)


def sort(params: DataParams, out: Outputs, inputs: Inputs, *, refusing: bool = True) -> dict[str, Any]:
    """Write everything but the audit log; returns what is written into out.report. Raises T301; if refusing, T683
    before any gate compares rows or a judge is asked of them, and T686.
    """
    queue = Queue.of(params.review, inputs.decisions)
    spool = out.accepted.with_suffix(".spool")
    with (
        spool.open("w+b") as rows,
        out.rejected.open("w", encoding="utf-8") as rejected,
        out.flagged.open("w", encoding="utf-8") as flagged,
    ):
        corpus = Corpus(rows, params.making.contract, params.making.shape in ("pairs", "verdicts"))
        tally = Tally(rejected, flagged, queue)
        _read_all(params, corpus, tally)
        if refusing and len(corpus):
            lost_rows.refuse(tally)
        queue.refuse()
        tally.unanswered, twice = part(corpus, out.unanswered)
        for finding in twice:
            _found(corpus, tally, "duplicates", finding, rejecting=True)
        _sift(corpus, params.settings, tally)
        if params.judge:
            _ask(corpus, params.judge, params.settings, tally, inputs.judge_prompt)
        waiting = _wait(corpus, params.settings, tally)
        queue.write(corpus, waiting, out.review)
        accepted = corpus.write(out.accepted)
        clusters = list(corpus.clusters(params.settings.threshold))
        out.near.write_text("".join(dumps(line) + "\n" for line in _together(corpus, clusters)), encoding="utf-8")
        told = _tell(corpus, clusters, tally, params.settings, out) if accepted else {}
    spool.unlink()
    if not accepted:
        raise lost_rows.nothing_left(params, tally)
    lost_rows.tell(params, tally)
    queue.tell(len(waiting))
    if refusing:
        lost_rows.refuse_unfilled(params, tally, corpus.splits())
    return told


def _tell(corpus: Corpus, clusters: list[list[int]], tally: Tally, settings: Settings, out: Outputs) -> dict[str, Any]:
    facts = data_report.facts(corpus, clusters, settings)
    told = data_report.report(corpus, facts, tally, settings) | tally.more
    write_json(out.facts, facts)
    write_json(out.report, told)
    out.page.write_text(data_tables.markdown(told), encoding="utf-8")
    out.html.write_text(data_tables.page(told), encoding="utf-8")
    _warn_of_lacking(facts["quotas"])
    return told


def _warn_of_lacking(found: list[dict[str, Any]]) -> None:
    lacking = [quota for quota in found if quota["missing"]]
    if lacking:
        notes = tuple(
            f"{q['missing']:,} more with {q['by']} {q['value']}; there are {q['rows']:,}" for q in lacking[:5]
        )
        message = f"{len(lacking)} of {counted(len(found), 'quota')} {'is' if len(lacking) == 1 else 'are'} not met"
        help = "bring such rows, have a teacher write them (`generate.rows`), or lower `min` in data.quotas"
        warn(Diagnostic("T880", message, None, notes, help, "warning"))


def _read_all(params: DataParams, corpus: Corpus, tally: Tally) -> None:
    """Judge every record of every file, in order."""
    look = Judge(params.sources, params.making, params.settings, tally.queue.decisions)
    corpus.track(look.traits)
    found = [(number, file) for number, source in enumerate(params.sources) for file in files_of(source)]
    corpus.files += [str(file) for _, file in found]
    size = sum(file.stat().st_size for _, file in found)
    for batch in judge(look, _given(params, found), size):
        _take(batch, corpus, tally)
        tell(tally.read.total(), None, f"{counted(len(corpus), 'row')} kept")


def _given(params: DataParams, found: list[tuple[int, Path]]) -> Iterator[Given]:
    for number, (source, file) in enumerate(found):
        told = params.sources[source]
        for record in read(file, told.format, told.encoding):
            yield source, number, record


def _take(batch: Batch, corpus: Corpus, tally: Tally) -> None:
    corpus.sketched(batch.bands)
    for outcome in batch.outcomes:
        file = corpus.files[outcome.file]
        tally.read[file] += 1
        tally.personal.update(outcome.personal)
        tally.queue.took(outcome, len(corpus))
        if outcome.row is None:
            tally.reject(file, outcome.line, *(outcome.rejected or ("", "")))
            continue
        corpus.add(outcome.row, outcome.file, outcome.line)
        for gate, reason in outcome.flags:
            tally.flag(file, outcome.line, gate, reason, id=f"{outcome.row.id:012x}")


def _sift(corpus: Corpus, settings: Settings, tally: Tally) -> None:
    """The gates that compare rows, each over what the ones before it left."""
    gates, doing = members("stages.data_gates", "DATA_GATE", DataGate), actions(settings)
    names = [*_ORDER, *(name for name in gates if name not in _ORDER)]
    for name in names:
        sift = gates[name].sift
        if sift is None or doing[name] == "off":
            continue
        for finding in list(sift(corpus, settings)):
            _found(corpus, tally, name, finding, rejecting=doing[name] == "reject")


def _ask(corpus: Corpus, asked: Judging, settings: Settings, tally: Tally, prompt: Path | None) -> None:
    """The gate `judge`, over what all others left."""
    from stages import row_judge

    verdict = row_judge.judged(corpus, asked, settings.regions, prompt, tally.queue.decided)
    for finding in verdict.findings:
        _found(corpus, tally, "judge", finding, rejecting=actions(settings)["judge"] == "reject")
    tally.more["judge"] = verdict.json()
    if verdict.left:
        message = f"{counted(verdict.left, 'row', 'was', 'were')} not judged: the budget is used up"
        warn(Diagnostic("T897", message, None, (), "raise data.judge.budget, or judge them yourself", "warning"))


def _wait(corpus: Corpus, settings: Settings, tally: Tally) -> list[int]:
    """The gate `review`; returns the places of the rows that wait for a person."""
    waiting = tally.queue.waiting(corpus)
    for place in waiting:
        _found(corpus, tally, "review", (place, WAITS, None), rejecting=actions(settings)["review"] == "reject")
    if tally.queue.asked:
        tally.more["review"] = tally.queue.json(len(waiting))
    return waiting


def _found(corpus: Corpus, tally: Tally, gate: str, finding: Finding, *, rejecting: bool) -> None:
    place, reason, other = finding
    if place in corpus.dropped:
        return
    more = {"id": corpus.name(place)} | ({"twin": corpus.where(other)} if other is not None else {})
    tell = tally.reject if rejecting else tally.flag
    tell(corpus.files[corpus.sources[place]], corpus.lines[place], gate, reason, **more)
    if rejecting:
        corpus.dropped.add(place)
    else:
        tally.queue.flagged(place, gate, reason)


def _together(corpus: Corpus, clusters: list[list[int]]) -> Iterator[dict[str, Any]]:
    for how, sets in (("alike", clusters), ("lineage", corpus.families()), ("meaning", corpus.meant())):
        found = sorted(sorted(map(corpus.name, members)) for members in sets)
        yield from ({"rows": rows, "how": how} for rows in found)


_LIBRARIES = (
    "jsonschema",
    "numpy",
    "opencc",
    "phonenumbers",
    "pyarrow",
    "python-stdnum",
    "model2vec",
    "scikit-learn",
    "threadpoolctl",
)


def _made(at: At, params: Mapping[str, Any]) -> Made:
    """Without a judge, nothing of what asks one."""
    if params.get("judge"):
        return Made("data", (*_LIBRARIES, "jinja2", "openai"))
    return Made("data", _LIBRARIES, never=("stages.row_judge",))


STAGE = Stage(
    name="data",
    summary="Reads the sources, holds every row against the contract and the gates",
    run=run,
    inputs=Inputs,
    params=DataParams,
    outputs=Outputs,
    libraries=_LIBRARIES,
    made=_made,
)
