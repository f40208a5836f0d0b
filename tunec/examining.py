"""`tunec data check FILE`: what the data stage would say of files, before they are anyone's source."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from stages import data
from stages.catalog import Shape
from stages.contract import Contract
from stages.counting import counted
from stages.data_tables import funnel
from stages.diagnostics import UserError, fail
from stages.judging_rows import Judge
from stages.leaking import leaks, together
from stages.lost_rows import TEACHABLE, counted_as, mostly_broken
from stages.making import NO_ANSWER, Making, Rejected, Source, named
from stages.readers import read
from stages.rows import read_json, read_jsonl
from stages.seen import Settings
from stages.shapes import ANSWER_COLUMNS, SPLIT_COLUMN
from stages.wording import tame
from tunec.workspace import TASK

CONTAINED = 0.8  # as splits.leakage.contained is of itself
_LOOKED = 500  # records by which columns are guessed
_EACH = 3  # rows of one reason that are told one by one, where each is held against another row
_PLACES = 10  # of rows of one reason, beside the first
_MOST = 100  # lines that are told
_APART = {
    *ANSWER_COLUMNS,
    SPLIT_COLUMN,
    "id",
    "license",
    "licence",
    "tags",
    "lang",
    "language",
    "tools",
    "entities",
    "call",
    "calls",
}


@dataclass(frozen=True)
class Examined:
    """What there is to say: a line {file, line, gate, reason} each, rejected and flagged; leaks by id; counts."""

    rejected: list[dict[str, Any]]
    flagged: list[dict[str, Any]]
    leaks: list[dict[str, Any]]
    report: dict[str, Any]

    @property
    def clean(self) -> bool:
        return not (self.rejected or self.leaks)

    def json(self) -> dict[str, Any]:
        return {"report": self.report, "rejected": self.rejected, "flagged": self.flagged, "leaks": self.leaks}

    def text(self) -> str:
        """A line for each reason: its first row, how many others there are, and where."""
        told = (("rejected", self.rejected), ("warning", self.flagged), ("leak", self.leaks))
        lines = [line for what, found in told for line in _lines(what, found)]
        more = [f"… and {len(lines) - _MOST:,} lines more"] if len(lines) > _MOST else []
        leaks = f", {counted(len(self.leaks), 'leak')}" if self.leaks else ""
        return "\n".join([*map(tame, lines[:_MOST]), *more, funnel(self.report) + leaks, *self._notes(lines)])

    def _notes(self, lines: list[str]) -> Iterator[str]:
        if len(lines) > _MOST or any(line.endswith(", …") for line in lines):
            yield "note: `--json` names every row"
        if any(found["reason"].startswith(NO_ANSWER) for found in self.rejected):
            yield f"note: {TEACHABLE}"
        broken = sum(found["gate"] == "contract" for found in self.rejected)
        if self.report["accepted"] and mostly_broken(self.report["read"], broken):
            yield f"note: {broken:,} rows break the contract, more than half: a build would stop here (T683)"


def examine(root: Path, files: Sequence[Path]) -> Examined:
    """Judge files with the gates of the task in `root`; without one, with those that need no task.

    Raises T611 for what is no file, and what a reader raises.
    """
    for file in files:
        if not file.is_file():
            raise fail("T611", f"{file} is no file", help="name data files; paths count from here")
    params = _of_task(root, files) if (root / TASK).is_file() else _guessed(files)
    with tempfile.TemporaryDirectory(prefix="tunec-") as folder:
        return _judged(params, Path(folder))


def _judged(params: data.DataParams, folder: Path) -> Examined:
    names = {name: folder / write.path for name, write in data.STAGE.writes().items()}
    out = data.Outputs(**names)
    try:
        data.sort(params, out, data.Inputs(()), refusing=False)
    except UserError as error:
        rejected, waiting = _read(out.rejected), len(_read(out.unanswered))
        if error.diagnostics[0].code != "T301" or not (rejected or waiting):
            raise
        counts = {"accepted": 0, "rejected": len(rejected), "unanswered": waiting}
        return Examined(rejected, [], [], {"read": sum(counts.values()), **counts})
    found = list(_leaks(params, out))
    return Examined(list(read_jsonl(out.rejected)), list(read_jsonl(out.flagged)), found, read_json(out.report))


def _read(path: Path) -> list[dict[str, Any]]:
    return list(read_jsonl(path)) if path.is_file() else []


def _leaks(params: data.DataParams, out: data.Outputs) -> Iterator[dict[str, Any]]:
    """Between the splits that the rows themselves name; a row that names none is one to train on."""
    place = {row["id"]: row["split"] or "train" for row in read_jsonl(out.accepted)}
    found = {leak.id: leak for leak in leaks(out.accepted, place, together(out.near), CONTAINED)}
    where = _where(params, {id for leak in found.values() for id in (leak.id, leak.of)}) if found else {}
    for leak in sorted(found.values(), key=lambda leak: where[leak.id]):
        file, line = where[leak.id]
        reason = f"it says what a row of {leak.split} says"
        twin = "{}:{}".format(*where[leak.of])
        yield {"file": file, "line": line, "gate": "leakage", "reason": reason, "how": leak.how, "twin": twin}


def _where(params: data.DataParams, ids: set[str]) -> dict[str, tuple[str, int]]:
    """Row id -> file and line of the row that has it; of several, the last, whose split is as far from training."""
    look = Judge(params.sources, params.making, params.settings)
    found: dict[str, tuple[str, int]] = {}
    for number, source in enumerate(params.sources):
        for file in source.files:
            for record in read(Path(file), source.format, source.encoding):
                row = look.batch([(number, 0, record)]).outcomes[0].row
                if row and (id := f"{row.id:012x}") in ids:
                    found[id] = (file, record.line)
    return found


def _of_task(root: Path, files: Sequence[Path]) -> data.DataParams:
    """The task's own parameters, each file as the source that matches it, or as a plain one. Nobody is asked of a row:
    neither a judge nor a reviewer.
    """
    from tunec.compiling import compile_workspace

    found = dict(compile_workspace(root, []).plan["data"].params)
    known = {file: source for source in found["sources"] for file in source["files"]}
    plain: dict[str, Any] = {"format": "auto", "map": {}, "tags": [], "role": None}
    named = [(file, file.as_posix()) for file in files]
    sources = [{**known.get(name, plain), "path": name, "files": [str(file)]} for file, name in named]
    return data.DataParams(**{**found, "sources": sources, "judge": None, "review": None})


def _guessed(files: Sequence[Path]) -> data.DataParams:
    """Parameters for files of no task: labels as they stand there, and the column of texts that usually goes in."""
    sources = [Source(path=str(f), format="auto", map={}, tags=(), role=None, files=(str(f),)) for f in files]
    rows = [row for source in sources for row in _looked(source)]
    columns = {name: None for row in rows for name in row}
    output = next((name for name in _OUTPUTS if name in columns), None)
    inputs = [name for name in columns if name not in _APART and any(_is_text(row.get(name)) for row in rows)]
    template = " ".join(f"{{{name}}}" for name in _main(inputs)) or "{text}"
    if output is None:  # nothing is answered: texts to read
        map = {"text": _main(inputs)[0]} if inputs and "text" not in inputs else {}
        told = [source.model_copy(update={"map": map}) for source in sources]
        return _params(told, template, "texts", None, Contract(type="text"))
    return _params(sources, template, "answers", output, _contract(rows, output))


def _params(
    sources: Sequence[Source], template: str, shape: Shape, output: str | None, contract: Contract
) -> data.DataParams:
    making = Making(output=output, group_by=None, input_template=template, contract=contract, shape=shape)
    return data.DataParams(sources=tuple(sources), making=making, settings=Settings())


_OUTPUTS = (*ANSWER_COLUMNS, "entities", "call", "calls", "completion", "chosen")
_MAIN = ("text", "prompt", "query", "question", "input", "instruction", "utterance", "sentence", "context")


def _main(columns: list[str]) -> list[str]:
    """The columns that usually go in; where there is none of them, all."""
    usual = [name for name in _MAIN if name in columns][:1]
    return usual or columns


def _looked(source: Source) -> list[dict[str, Any]]:
    found = []
    for record in islice(read(Path(source.files[0]), "auto"), _LOOKED):
        try:
            found += [named(record.fields, source)] if record.fields else []
        except Rejected:
            continue
    return found


def _contract(rows: Sequence[Mapping[str, Any]], output: str) -> Contract:
    values = [row.get(output) for row in rows]
    texts = [value for value in values if isinstance(value, str) and value.strip()]
    if output == "label" and texts:
        return Contract(type="label", schema_={"type": "string", "minLength": 1})
    return Contract(type="text") if texts else Contract(type="json", schema_={})


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _lines(what: str, found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    alike: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for one in found:
        alike[one["gate"], counted_as(one["reason"])].append(one)
    for first, *others in (sorted(rows, key=lambda one: (one["file"], one["line"])) for rows in alike.values()):
        if "twin" in first and len(others) < _EACH:
            yield from (_line(what, one) for one in (first, *others))
        else:
            yield _line(what, first) + (f"; {_like_it(first, others)}" if others else "")


def _like_it(first: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> str:
    """`12 more rows like it, in 13, 16, rows/b.jsonl:4, …`: by line, of another file by that as well."""
    named = others[:_PLACES]
    places = (f"{one['line']}" if one["file"] == first["file"] else f"{one['file']}:{one['line']}" for one in named)
    more = ", …" if len(others) > _PLACES else ""
    return f"{counted(len(others), 'more row')} like it, in {', '.join(places)}{more}"


def _line(what: str, found: Mapping[str, Any]) -> str:
    twin = f" (see {found['twin']})" if "twin" in found else ""
    return f"{found['file']}:{found['line']}: {what} [{found['gate']}]: {found['reason']}{twin}"


def printed(found: Examined, as_json: bool) -> str:
    return json.dumps(found.json(), indent=2, ensure_ascii=False) if as_json else found.text()
